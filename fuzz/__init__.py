"""Coverage-guided fuzzing (atheris) of what reads bytes that anybody can send.

    make fuzz                        every target, a minute each
    python -m fuzz sip_message ...   one target, with libFuzzer's options

A target fails when something other than the documented errors comes out, or when a promise of the code under
test is broken. What libFuzzer finds worth keeping lies in `.cache/fuzz/<target>` between runs.
"""
