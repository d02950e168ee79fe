"""The first replies that a process reads may come in several threads at the same time."""

from __future__ import annotations

import subprocess
import sys

# Each fork is a process that has read no reply yet; threads meet it at moments that lie a tenth of a ms apart.
_FIRST_REPLIES = """
import os, sys, threading, time
from imgcls_contract import ImageAnswer, ModelReply
from imgcls_contract.classification import decoder_of

BODY = b'{"class_id":0,"label":"a","probability":1,"top":[{"class_id":0,"label":"a","probability":1}],'
BODY += b'"model":{"name":"m","sha256":"s"},"timing_ms":{"decode":1,"queue":1,"inference":1,"total":3},'
BODY += b'"batch_size":1,"request_id":"x"}'

def read(start, delay_s):
    start.wait()
    ends = time.perf_counter() + delay_s
    while time.perf_counter() < ends:
        pass
    decoder_of(ImageAnswer).decode(BODY)

for _ in range(30):
    if (child := os.fork()) == 0:
        sys.setswitchinterval(1e-5)
        start = threading.Barrier(8)
        threads = [threading.Thread(target=read, args=(start, number * 1e-4)) for number in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, "the process ended"
"""


def test_threads_read_the_first_replies_at_the_same_time() -> None:
    done = subprocess.run([sys.executable, "-c", _FIRST_REPLIES], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
