"""Whether a process still does anything, as ladders."""

from ichat_gw.media.watch import ASK_EVERY, STARTING, UNANSWERED, Step, Watch


class Watched:
    """Wakes the watch when it wants to be woken; the process answers, or does not."""

    def __init__(self) -> None:
        self.now = 100.0
        self.watch = Watch(self.now)
        self.answers = True

    def until_given_up(self, seconds: float) -> float | None:
        """Let time pass; for how long until it was given up, None: it was not."""
        begin, end = self.now, self.now + seconds
        while (deadline := self.watch.deadline()) is not None and deadline <= end:
            self.now = max(self.now, deadline)
            match self.watch.expire(self.now):
                case Step.GIVE_UP:
                    return self.now - begin
                case Step.ASK if self.answers:
                    self.watch.heard()
        self.now = end
        return None


def test_one_that_answers_is_never_given_up() -> None:
    watched = Watched()
    assert watched.until_given_up(3_600.0) is None


def test_one_that_answers_no_more() -> None:
    watched = Watched()
    watched.until_given_up(10.0)
    watched.answers = False
    assert watched.until_given_up(3_600.0) == UNANSWERED + ASK_EVERY
    assert watched.watch.patience == UNANSWERED * ASK_EVERY
    assert watched.watch.deadline() is None
    assert watched.watch.expire(watched.now + 1_000.0) is None, "said once"


def test_one_that_begins_again_in_time() -> None:
    watched = Watched()
    watched.until_given_up(10.0)
    for _ in range(3):
        watched.answers = False
        assert watched.until_given_up(UNANSWERED * ASK_EVERY) is None
        watched.watch.heard()  # it answers what has been waiting


def test_one_that_is_slow_to_start_has_more_time() -> None:
    watched = Watched()
    watched.answers = False
    assert watched.until_given_up(3_600.0) == STARTING + ASK_EVERY


def test_nothing_is_to_be_done_before_its_time() -> None:
    watch = Watch(0.0)
    assert watch.expire(ASK_EVERY / 2) is None
    assert watch.expire(ASK_EVERY) is Step.ASK


def test_it_was_us_who_stood_still() -> None:
    """However long, and although the alarm comes before its answer: it still has its chance."""
    watched = Watched()
    watched.until_given_up(10.0)
    for _ in range(10):
        watched.now += 600.0
        assert watched.watch.expire(watched.now) is Step.ASK
        watched.watch.heard()  # what had been lying in the pipe all the time
    watched.answers = False
    assert watched.until_given_up(3_600.0) == UNANSWERED + ASK_EVERY
