"""Several processes of one run, as torchrun starts them, without the time that takes."""

import re
import time

from torch.distributed import TCPStore


class Several:
    """The processes of `bbyte WORDS`. torchrun's variables can be changed by `env`."""

    def __init__(self, warm, folder, number, count, words, env, breaking):
        # Where they meet: a port that the kernel chooses, as torchrun has it.
        self._store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
        common = {
            "WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), "TORCHELASTIC_RESTART_COUNT": "0",
            "TORCHELASTIC_USE_AGENT_STORE": "True", "TORCHELASTIC_RUN_ID": "test",
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(self._store.port), **env,
        }  # fmt: skip
        self.commands = [
            warm.start(
                folder,
                folder / f"shown-{number}-{rank}",
                *words,
                env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
                breaking=breaking,
            )
            for rank in range(count)
        ]

    def __getitem__(self, rank):
        return self.commands[rank]

    def wait(self, seconds=120.0):
        """Their exit codes, when all have ended."""
        end = time.monotonic() + seconds
        for command in self.commands:
            while command.poll() is None:
                assert time.monotonic() < end, self.said()
                time.sleep(0.005)
        return [command.wait() for command in self.commands]

    def reaches(self, step):
        """Wait until the first has told of a step."""
        return self[0].until(lambda: re.search(rf"step +{step}/", self[0].said()))

    def said(self):
        """What all of them have said."""
        return "\n".join(f"[{rank}] {command.said()}" for rank, command in enumerate(self.commands))

    def kill(self):
        """Kill those that are left."""
        for command in self.commands:
            command.kill()
