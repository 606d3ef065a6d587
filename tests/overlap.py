"""See whether calls overlap that a lock is to keep apart."""

import time


class Overlap:
    """`slow(method)` is the method, slower; `found` holds how many other calls were under way when each began."""

    def __init__(self, seconds):
        self.seconds, self.inside, self.found = seconds, [], []

    def slow(self, method):
        """The method, with a pause in which another thread would come in if there were no lock."""

        def watched(*arguments):
            self.found.append(len(self.inside))
            self.inside.append(method)
            time.sleep(self.seconds)
            try:
                return method(*arguments)
            finally:
                self.inside.pop()

        return watched
