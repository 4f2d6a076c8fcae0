"""Figures in the words that every screen and page uses."""


def bound(bpb: float, is_bound: bool) -> str:
    """Bits per byte, with a sign where it is only an upper bound."""
    return f"<= {bpb:.3f}" if is_bound else f"{bpb:.3f}"


def duration(seconds: float) -> str:
    """Hours, minutes and seconds: "1:02:03", "4:05"."""
    if not 0 <= seconds < 1e9:
        return "-:--"
    minutes, whole = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{whole:02}" if hours else f"{minutes}:{whole:02}"


def scaled(amount: float) -> str:
    """A figure with three digits and k, M, G or T: "12.3 k"."""
    for prefix in ("", "k", "M", "G"):
        if amount < 999.5:
            return f"{amount:.3g} {prefix}" if amount < 99.95 else f"{amount:.0f} {prefix}"
        amount /= 1000
    return f"{amount:.3g} T"
