"""What matplotlib says of its artists, remembered from when the image was built.

While pyplot is imported, matplotlib describes each class of artist by looking at
all of its methods: half of the import's time, and always with the same result.
"""

import contextlib
import json

FILE = "/usr/lib/lectern/artists.json"


def key(cls):
    """Names a class as it is now: what describes it may be asked for while its
    decorators still add methods."""
    return f"{cls.__module__}.{cls.__qualname__}:{sum(len(vars(c)) for c in cls.__mro__)}"


@contextlib.contextmanager
def described(setters, texts):
    """Classes of artists made meanwhile are described by these two functions of
    (class, matplotlib's own function): their settable properties, and the text."""
    from matplotlib import artist

    real, own, update = artist.ArtistInspector, artist.kwdoc, vars(artist.Artist)["_update_set_signature_and_docstring"]

    class Inspector:
        def __init__(self, cls):
            self.cls = cls

        def get_setters(self):
            return setters(self.cls, lambda cls: real(cls).get_setters())

    def describe(cls):
        artist.ArtistInspector = Inspector
        try:
            update.__func__(cls)
        finally:
            artist.ArtistInspector = real

    def with_inspector(function):
        def call(cls):
            before, artist.ArtistInspector = artist.ArtistInspector, real
            try:
                return function(cls)
            finally:
                artist.ArtistInspector = before

        return call

    artist.kwdoc = lambda cls: texts(cls, with_inspector(own))
    artist.Artist._update_set_signature_and_docstring = classmethod(describe)
    try:
        yield
    finally:
        artist.kwdoc = own
        artist.Artist._update_set_signature_and_docstring = update


def remembered(modules):
    """A context in which these modules can be imported; nothing is imported for
    those that do not ask for matplotlib."""
    if not any(m.split(".")[0] == "matplotlib" for m in modules):
        return contextlib.nullcontext()
    try:
        with open(FILE, encoding="utf-8") as f:
            version, setters, texts = json.load(f)
        import matplotlib

        if version != matplotlib.__version__:
            return contextlib.nullcontext()
    except Exception:
        return contextlib.nullcontext()  # another image: matplotlib does it itself, or is missing

    def known(table):
        def get(cls, own):
            found = table.get(key(cls))
            return own(cls) if found is None else found

        return get

    return described(known(setters), known(texts))


def remember():
    """Writes the file, when the image is built."""
    import matplotlib

    tables = {}, {}

    def noting(table):
        def note(cls, own):
            k, got = key(cls), own(cls)
            if table.setdefault(k, got) != got:
                table[k] = None  # the key does not tell two states apart: ask each time
            return got

        return note

    with described(*map(noting, tables)):
        import matplotlib.pyplot  # noqa: F401
    with open(FILE, "w", encoding="utf-8") as f:
        json.dump([matplotlib.__version__, *tables], f)


if __name__ == "__main__":
    remember()
