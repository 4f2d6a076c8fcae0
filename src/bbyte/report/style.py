"""The style sheet of a run's page: system fonts, two sets of colours that the colour-blind can tell apart."""

# Okabe and Ito's palette; on dark, its lighter hues.
STYLE = """
:root{color-scheme:light dark;--paper:#fff;--ink:#1c2126;--dim:#5b6570;--rule:#e3e7eb;--sheet:#f6f8fa;
--train:#0072b2;--val:#d55e00;--best:#007a59;--skip:#a8528a;--bar:#b8c4ce}
@media(prefers-color-scheme:dark){:root{--paper:#101418;--ink:#e6e9ec;--dim:#9aa5b0;--rule:#29313a;
--sheet:#171c22;--train:#56b4e9;--val:#e69f00;--best:#35c79c;--skip:#d99ac2;--bar:#3d4853}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:15px/1.5 system-ui,sans-serif}
main{max-width:840px;margin:0 auto;padding:32px 20px 64px}
h1{font-size:24px;margin:0 0 4px;overflow-wrap:anywhere}
h2{font-size:17px;margin:36px 0 10px}
h3{font-size:13px;font-weight:600;color:var(--dim);margin:0 0 4px}
p{margin:6px 0;color:var(--dim)}
dl{display:flex;flex-wrap:wrap;gap:12px 28px;margin:16px 0 0}
dt{font-size:12px;color:var(--dim)}
dd{margin:0;font-weight:600;overflow-wrap:anywhere}
header span{font-weight:600;color:var(--best)}
header .training{color:var(--train)}
header .interrupted{color:var(--val)}
.problem{color:var(--val)}
svg{display:block;width:100%;height:auto;font:11px system-ui,sans-serif}
svg text{fill:var(--dim)}
path{fill:none;stroke-linecap:round;stroke-linejoin:round}
path.grid{stroke:var(--rule);stroke-linecap:butt}
path.train{stroke:var(--train);stroke-width:2}
path.raw{stroke:var(--train);stroke-width:2.5;opacity:.45}
path.val{stroke:var(--val);stroke-width:7}
path.best{stroke:var(--best);stroke-width:9}
path.ternary{stroke:var(--dim);stroke-dasharray:2 4}
path.skip{stroke:var(--skip);stroke-width:1.5}
path.back{stroke:var(--skip);stroke-width:2;stroke-dasharray:6 4}
.legend span{margin-right:18px;white-space:nowrap;font-size:13px}
.legend span::before{content:"";display:inline-block;width:14px;margin-right:6px;vertical-align:middle;
border-top:3px solid var(--dim)}
.legend .train::before{border-color:var(--train)}
.legend .raw::before,.legend .val::before,.legend .best::before{width:8px;height:8px;border:0;
border-radius:50%;background:var(--val)}
.legend .raw::before{background:var(--train);opacity:.6;width:6px;height:6px}
.legend .best::before{background:var(--best)}
.legend .ternary::before{border-top:2px dotted var(--dim)}
.legend .skip::before{border-color:var(--skip)}
.legend .back::before{border-top:3px dashed var(--skip)}
.wide{overflow-x:auto}
.wide svg{min-width:600px}
.three{display:grid;grid-template-columns:repeat(auto-fit,minmax(200px,1fr));gap:20px}
figure{margin:0;max-width:340px}
figcaption{font-size:13px;color:var(--dim);margin-bottom:4px}
table{border-collapse:collapse;font-size:13px}
caption{text-align:left;font-weight:600;color:var(--dim);padding-bottom:4px}
th{text-align:left;font-weight:400;padding:2px 14px 2px 0;vertical-align:top}
td{padding:2px 0;overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
.bars{width:100%}
.bars th{white-space:nowrap;width:1%}
.bars td{white-space:nowrap;width:1%;padding-right:14px;text-align:right}
.bars td.bar{width:auto;padding:0}
.bars i{display:block;height:14px;background:var(--bar);border-radius:2px}
.ours{font-weight:600}
.ours th{font-weight:600}
.ours i{background:var(--train)}
.settings{display:grid;grid-template-columns:repeat(auto-fit,minmax(230px,1fr));gap:24px;align-items:start}
.settings th{color:var(--dim)}
article{margin:0 0 14px}
pre{margin:0;padding:10px 12px;background:var(--sheet);border-radius:6px;white-space:pre-wrap;
overflow-wrap:anywhere;font:13px/1.45 ui-monospace,monospace}
pre b{font-weight:400;color:var(--dim)}
ul{margin:0;padding-left:20px}
.none{font-style:italic}
""".strip()
