"""A class that pickles name."""


class Plain:
    def __init__(self, value=0):
        self.value = value
