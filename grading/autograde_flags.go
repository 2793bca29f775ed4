package grading

import (
	"fmt"
	"regexp"
)

// suspects are what an answer rarely needs and tricks often do. They take no
// points; a grader looks.
var suspects = []struct {
	pattern *regexp.Regexp
	text    string
}{
	{regexp.MustCompile(`\b__(eq|ne|lt|le|gt|ge|bool|array_ufunc|array_function)__\b`), "The answer redefines how values are compared (%s)."},
	{regexp.MustCompile(`\bget_ipython\b`), "The answer speaks to the notebook's own machinery (%s)."},
	{regexp.MustCompile(`\b(_getframe|currentframe|f_back|f_locals|f_globals|settrace|setprofile|addaudithook|get_objects|get_referrers)\b`), "The answer looks at the program that runs it (%s)."},
	{regexp.MustCompile(`\b(ctypes|/proc/|os\._exit|os\.kill|pickle\.loads?)\b`), "The answer reaches outside of Python (%s)."},
	{regexp.MustCompile(`\b(builtins|__builtins__|__import__|sys\.modules)\b`), "The answer reaches for Python's own names (%s)."},
	{regexp.MustCompile(`\b(threading|multiprocessing|os\.fork|atexit)\b`), "The answer leaves something running (%s)."},
}

func suspicions(source string) (flags []string) {
	for _, s := range suspects {
		if found := s.pattern.FindString(source); found != "" {
			flags = append(flags, fmt.Sprintf(s.text, found))
		}
	}
	return flags
}
