package grading_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"time"

	"lectern/course/notebook"
	"lectern/grading"
)

// corpus is what cells do: every kind of output, magics, errors, programs.
var corpus = []string{
	"1 + 1", "1 + 1;", "x = 3\nx", "print('a', end='')\nprint('b')\nprint('c', flush=True)", "'text'", "None", "[list(range(50))] * 3",
	"import sys\nprint('out')\nprint('err', file=sys.stderr)\nprint('out again')", "sys.stdout.write('raw')", "sys.stdout.writelines(['a\\n', 'b\\n'])",
	"1 / 0", "def f(n):\n    return 1 / n if n == 0 else f(n - 1)\nf(3)", "f(0)", "assert x == 4, 'not four'", "raise KeyError('k')", "x +", "  y = 1\n z = 2", "undefined_name",
	"raise ValueError('multi\\nline') from KeyError(1)", "import warnings\nwarnings.warn('careful')", "import logging\nlogging.warning('hm')",
	"class E(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise E", "import sys\nsys.exit(3)", "raise SystemExit", "raise KeyboardInterrupt",
	"from IPython.display import *\ndisplay(HTML('<b>x</b>'), Markdown('*m*'), Latex('$x$'), JSON({'a': [1, 2.5, None]}))", "display({'a': 1}, 2)", "Math('x^2')",
	"h = display('one', display_id=True)", "h.update('two')", "display('a')\nclear_output()\ndisplay('b')", "display('a')\nclear_output(wait=True)", "print('a')\nclear_output(wait=True)\nprint('b')",
	"publish_display_data({'text/plain': 'p', 'application/x-own': {'k': 1}}, metadata={'m': 1})", "Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 20)",
	"class R:\n    def _repr_html_(self):\n        return '<i>r</i>'\n    def __repr__(self):\n        return 'R!'\nR()", "class B:\n    def __repr__(self):\n        raise ValueError('no repr')\nB()",
	"import numpy as np\nnp.arange(12).reshape(3, 4)", "np.float64(0.5)", "np.ones((2, 2)) @ np.ones(3)", "import pandas as pd\npd.DataFrame({'a': [1, 2], 'b': ['x', None]})",
	"%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 4, 9])", "fig, ax = plt.subplots()\nax.bar(['a', 'b'], [1, 2])\nax.set_title('t');", "fig", "plt.figure()\nplt.show()\nprint('after')",
	"%who_ls", "%lsmagic\n1", "%%capture c\nprint('hidden')", "c.stdout", "%no_such_magic", "%%bash\necho from bash\necho err >&2", "!echo shell; echo two", "out = !echo captured\nout", "!exit 3\n_exit_code",
	// A program's print and the cell's value race in Jupyter itself, so this cell has no value and waits.
	"import os, time\nos.system('echo system')\ntime.sleep(0.5)", "input()", "import getpass\ngetpass.getpass()",
	"await __import__('asyncio').sleep(0, 'slept')", "import asyncio\nasyncio.get_running_loop().is_running()", "async def g():\n    yield 1\n[i async for i in g()]",
	"_", "__", "_1", "Out[1]", "len(In) > 3", "get_ipython().__class__.__name__", "__name__", "'__file__' in globals()", "sys.argv[0].rsplit('/', 1)[-1]", "sys.path[0]", "type(sys.stdout).__mro__[-1]", "sys.stdout.isatty()", "sys.stdout.encoding",
	"len?", "import pickle\nclass P: pass\npickle.loads(pickle.dumps(P())).__class__",
	"import threading\nt = threading.Thread(target=lambda: print('from a thread'))\nt.start(); t.join()", "t = threading.Thread(target=lambda: 1 / 0)\nt.start(); t.join()",
	"import time\nprint('\\x1b[31mred\\x1b[0m\\r\\b')", "print('é\\u2028🎉')", "print('x' * 100000)", "for i in range(1500):\n    print(i)", "def deep():\n    deep()\ndeep()",
	"lambda: 0", "object()", "{'b': 1, 'a': {1, 2}}", "float('nan'), float('inf')", "10 ** 5000", "%precision 3\n1 / 3", "get_ipython().run_cell('1 + 2')\nprint('nested')", "exec('1 / 0')", "eval('1 +')", "del x\nx",
	"import this_module_is_not_there", "%%html\n<b>magic</b>", "%%javascript\n1", "%%latex\n$x$", "%%svg\n<svg xmlns=\"http://www.w3.org/2000/svg\"/>", "%config InlineBackend.figure_formats = ['svg']", "%pwd\n1", "%env NBGRADER_EXECUTION", "%history -n 1-2", "%pprint", "[[1] * 30] * 2", "exit",
}

var volatile = []*regexp.Regexp{
	regexp.MustCompile(`0x[0-9a-f]{6,}`), regexp.MustCompile(`ipykernel_\d+/\d+`), regexp.MustCompile(`Thread-\d+`), regexp.MustCompile(`\(\d+ times\)`),
}

func steady(text string) string {
	for _, v := range volatile {
		text = v.ReplaceAllString(text, "~")
	}
	return text
}

// A python kernel of ours must show what Jupyter's shows, byte for byte.
func TestOutputsAreThoseOfJupyter(t *testing.T) {
	t.Parallel()
	sameAsJupyter(t, corpus, "numpy", "matplotlib.pyplot", "pandas")
}

// figures are cells of a notebook without %matplotlib.
var figures = []string{
	"import matplotlib.pyplot as plt", "plt.plot([1, 4, 9])", "fig, ax = plt.subplots()\nax.bar(['a', 'b'], [1, 2]);", "plt.get_backend()", "plt.figure()\nplt.show()\nprint('after')",
	"import os\n[os.environ.get(k) for k in ('MPLBACKEND', 'TERM', 'CLICOLOR', 'FORCE_COLOR', 'PAGER', 'GIT_PAGER')]", "%matplotlib inline\nplt.plot([1]);",
}

func TestFiguresAreThoseOfJupyter(t *testing.T) {
	t.Parallel()
	for _, warm := range [][]string{{"numpy", "matplotlib.pyplot"}, nil} {
		sameAsJupyter(t, figures, warm...)
	}
}

// described are cells that ask for what was put off or remembered from elsewhere to
// start sooner: it must be what it would have been.
var described = []string{
	"import matplotlib.pyplot as plt, hashlib, inspect, re\nfrom matplotlib.artist import Artist, ArtistInspector, kwdoc\nplt.close(plt.figure())",
	`def told(o):
    try:
        signature = str(inspect.signature(o))
    except (TypeError, ValueError):
        signature = ""
    return re.sub("0x[0-9a-f]+", "~", f"{o.__doc__}{signature}")
def below(cls):
    return [c for s in cls.__subclasses__() for c in (s, *below(s))]
for cls in sorted({Artist, *below(Artist)}, key=lambda c: (c.__module__, c.__qualname__)):
    texts = [told(cls), *(told(v) for _, v in sorted(vars(cls).items()) if callable(v))]
    print(cls, len(texts), hashlib.sha256("".join(texts).encode()).hexdigest()[:8])`,
	`for name, v in sorted(vars(plt).items()):
    if callable(v) and getattr(v, "__module__", "") == "matplotlib.pyplot":
        print(name, hashlib.sha256(told(v).encode()).hexdigest()[:8])`,
	"help(plt.Line2D.set)", "class Own(plt.Line2D):\n    def set_own(self, own): 'own: int'\nhelp(Own.set)", "kwdoc(Own)[-300:]", "plt.getp(plt.plot([1])[0])",
	"sorted(ArtistInspector(plt.Text).get_setters())[:20], plt.Artist._update_set_signature_and_docstring",
	"import psutil\npsutil.__name__, psutil.Process().pid > 0, psutil.__version__", "from psutil import *\nvirtual_memory",
	"import jupyter_client\njupyter_client.KernelManager, jupyter_client.__version__", "from jupyter_client import *\nwrite_connection_file",
	"import jupyter_client.manager\njupyter_client.manager.KernelManager", "from jupyter_client.kernelspec import find_kernel_specs\nfind_kernel_specs()",
}

func TestWhatIsPutOffIsThatOfJupyter(t *testing.T) {
	t.Parallel()
	sameAsJupyter(t, described, "matplotlib.pyplot", "numpy")
}

// sameAsJupyter runs cells in a kernel that has imported the modules beforehand,
// and in Jupyter's.
func sameAsJupyter(t *testing.T, corpus []string, warm ...string) {
	t.Helper()
	runner := newRunner(t)
	nb := &notebook.Notebook{Nbformat: 4, Minor: 5, Metadata: map[string]any{"kernelspec": map[string]any{"name": "python3"}}}
	for _, source := range corpus {
		nb.Cells = append(nb.Cells, notebook.Cell{Type: notebook.Code, Source: source, Metadata: map[string]any{}})
	}
	job := grading.Job{Image: testImage, Folder: "hw1", Notebooks: []grading.Rebuilt{{Path: "p1.ipynb", Notebook: nb}}, Warm: warm}
	job.Limits = grading.Limits{Cell: 2 * time.Minute, Notebook: 5 * time.Minute, CPUs: 2}
	type outcome struct {
		r   grading.Result
		err error
	}
	both := [2]chan outcome{make(chan outcome, 1), make(chan outcome, 1)}
	for i := range both {
		j := job
		j.Protocol = i == 1
		go func() {
			r, err := runner.Run(t.Context(), j)
			both[i] <- outcome{r, err}
		}()
	}
	ours, theirs := <-both[0], <-both[1]
	ok(t, ours.err)
	ok(t, theirs.err)
	for i, source := range corpus {
		a, b := ours.r.Notebooks[0], theirs.r.Notebooks[0]
		if a.Cells[i].Run != b.Cells[i].Run {
			t.Errorf("%q: ran as %+v; Jupyter: %+v", source, a.Cells[i].Run, b.Cells[i].Run)
		}
		if got, want := told(t, a.Notebook.Cells[i]), told(t, b.Notebook.Cells[i]); got != want {
			t.Errorf("%q shows\n%s\nJupyter:\n%s", source, clip(got, want), clip(want, got))
		}
	}
}

// told is all that a cell shows, without what differs from run to run.
func told(t *testing.T, c notebook.Cell) string {
	text, err := json.MarshalIndent(c.Outputs, "", " ")
	ok(t, err)
	count := "-"
	if c.ExecutionCount != nil {
		b, _ := json.Marshal(*c.ExecutionCount)
		count = string(b)
	}
	return count + steady(string(text))
}

// clip is the part of a text where it begins to differ from another.
func clip(text, other string) string {
	i := 0
	for i < len(text) && i < len(other) && text[i] == other[i] {
		i++
	}
	return strings.ToValidUTF8(text[max(0, i-120):min(len(text), i+500)], "?")
}
