package render

import (
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// Bounds on one formula. Temml needs a few milliseconds for an ordinary one.
const (
	maxTeX      = 8 << 10
	maxMathML   = 512 << 10
	mathTimeout = 200 * time.Millisecond
	mathPatient = 5 * mathTimeout // a second try, because a busy machine makes quick formulas slow
)

//go:embed temml/temml.min.js
var temmlSource string

var temmlProgram = sync.OnceValues(func() (*goja.Program, error) {
	return goja.Compile("temml.min.js", temmlSource, false)
})

// temmlEntry makes a formula with nothing left over from the one before: macros live as long as the call. trust is
// what \href, \url, \includegraphics and \html… need, so none of them works. Freezing keeps one formula from changing
// the objects that the next one is made with.
const temmlEntry = `(function () {
	[Object, Array, String, Number, RegExp, Map, Set, Function].forEach(function (f) { Object.freeze(f.prototype) });
	return function (tex, display) {
		return temml.renderToString(tex, {displayMode: display, throwOnError: true, trust: false, strict: false,
			macros: {}, maxExpand: 1000, maxSize: [20, 200], annotate: false, wrap: "none"});
	};
})()`

var errSlowMath = errors.New("it takes too long to typeset")

// typesetter turns TeX into MathML with Temml inside goja. It has as many virtual machines as there are cores; who
// finds all of them at work waits, so that a formula has a core for itself while its clock runs.
type typesetter struct {
	free chan *machine // nil stands for a machine not made yet
}

type machine struct {
	vm     *goja.Runtime
	render goja.Callable
}

func newTypesetter() *typesetter {
	t := &typesetter{free: make(chan *machine, runtime.GOMAXPROCS(0))}
	for range cap(t.free) {
		t.free <- nil
	}
	return t
}

func newMachine() (*machine, error) {
	program, err := temmlProgram()
	if err != nil {
		return nil, fmt.Errorf("render: compile Temml: %w", err)
	}
	vm := goja.New()
	vm.SetMaxCallStackSize(1000)
	if _, err := vm.RunProgram(program); err != nil {
		return nil, fmt.Errorf("render: load Temml: %w", err)
	}
	entry, err := vm.RunString(temmlEntry)
	if err != nil {
		return nil, fmt.Errorf("render: prepare Temml: %w", err)
	}
	render, ok := goja.AssertFunction(entry)
	if !ok {
		return nil, errors.New("render: Temml's entry is not a function")
	}
	return &machine{vm, render}, nil
}

// mathML returns Temml's own markup, which still has to pass cleanMathML, and how long Temml worked. The error is for
// the reader of the page; errSlowMath means that trying the same formula again may succeed.
func (t *typesetter) mathML(tex string, display bool) (out string, took time.Duration, err error) {
	if len(tex) > maxTeX {
		return "", 0, errors.New("it is too long to typeset")
	}
	m := <-t.free
	defer func() { t.free <- m }()
	for _, limit := range []time.Duration{mathTimeout, mathPatient} {
		if m == nil {
			if m, err = newMachine(); err != nil {
				return "", took, err
			}
		}
		var sane bool
		start := time.Now()
		out, sane, err = m.run(tex, display, limit)
		took += time.Since(start)
		if !sane {
			m = nil
		}
		if err != errSlowMath {
			break
		}
	}
	return out, took, err
}

// run makes one formula. A parse error leaves a machine as it was; one that was interrupted or ran out of stack is not
// sane and must not be used again.
func (m *machine) run(tex string, display bool, limit time.Duration) (out string, sane bool, err error) {
	defer func() {
		// A fault of the interpreter itself must cost one formula, not the page.
		if recover() != nil {
			out, sane, err = "", false, errors.New("it cannot be typeset")
		}
	}()
	timer := time.AfterFunc(limit, func() { m.vm.Interrupt("slow") })
	v, err := m.render(goja.Undefined(), m.vm.ToValue(tex), m.vm.ToValue(display))
	if !timer.Stop() {
		return "", false, errSlowMath
	}
	if err != nil {
		var parse *goja.Exception
		return "", errors.As(err, &parse), errors.New(parseReason(err))
	}
	if out = v.String(); len(out) > maxMathML {
		return "", true, errors.New("it grows too large")
	}
	return out, true, nil
}

// parseReason is Temml's first line without the name of the class and the place marked with combining characters.
func parseReason(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(text, " at position "); i > 0 {
		text = text[:i]
	}
	text, _, _ = strings.Cut(text, " at temml.min.js")
	text, ours := strings.CutPrefix(strings.TrimSpace(text), "ParseError:")
	if text = strings.TrimSpace(text); !ours {
		// Temml stumbled over itself; its words would help nobody.
		return "it cannot be typeset"
	}
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
