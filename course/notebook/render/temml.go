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

// typesetter turns TeX into MathML with Temml inside goja. It keeps as many virtual machines as there are cores.
type typesetter struct {
	idle chan *machine
}

type machine struct {
	vm     *goja.Runtime
	render goja.Callable
}

func newTypesetter() *typesetter {
	return &typesetter{idle: make(chan *machine, runtime.GOMAXPROCS(0))}
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

// mathML returns Temml's own markup, which still has to pass cleanMathML. The error is for the reader of the page;
// errSlowMath means that trying the same formula again may succeed.
func (t *typesetter) mathML(tex string, display bool) (string, error) {
	if len(tex) > maxTeX {
		return "", errors.New("it is too long to typeset")
	}
	var m *machine
	select {
	case m = <-t.idle:
	default:
		var err error
		if m, err = newMachine(); err != nil {
			return "", err
		}
	}
	timer := time.AfterFunc(mathTimeout, func() { m.vm.Interrupt("slow") })
	v, err := m.render(goja.Undefined(), m.vm.ToValue(tex), m.vm.ToValue(display))
	inTime := timer.Stop()
	var parse *goja.Exception
	// A parse error leaves a machine as it was. One that was interrupted or ran out of stack is given up.
	if inTime && (err == nil || errors.As(err, &parse)) {
		select {
		case t.idle <- m:
		default:
		}
	}
	switch {
	case !inTime:
		return "", errSlowMath
	case err != nil:
		return "", errors.New(parseReason(err))
	}
	out := v.String()
	if len(out) > maxMathML {
		return "", errors.New("it grows too large")
	}
	return out, nil
}

// parseReason is Temml's first line without the name of the class and the place marked with combining characters.
func parseReason(err error) string {
	text, _, _ := strings.Cut(err.Error(), "\n")
	if i := strings.LastIndex(text, " at position "); i > 0 {
		text = text[:i]
	}
	text, _, _ = strings.Cut(text, " at temml.min.js")
	text = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(text), "ParseError:"))
	if len(text) > 200 {
		text = strings.ToValidUTF8(text[:200], "") + "…"
	}
	return text
}
