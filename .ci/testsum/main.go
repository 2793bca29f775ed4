// Testsum reads `go test -json` and prints it for a person: a line for each
// package as it ends, the output of what failed, how many passed, and once more
// what the failed tests complained of. The names of what failed are appended to a
// file, for whoever prints the last lines. A skipped test counts as failed: what a
// test needs, the set-up installs.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"
)

// event is what cmd/test2json documents, and what `go test` adds for builds.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build-output and build-fail
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// complaint is a line a test or a panic wrote, rather than a server's log, which
// makes a failed test's output long: only its end may have been kept.
var complaint = regexp.MustCompile(`^\s*\w+_test\.go:\d+: |^panic: `)

// summary collects until the end is known.
type summary struct {
	out    io.Writer
	output map[string][]string // by package and test, dropped when it passes
	failed []string
	said   []string // complaints of what failed, for the end
	tests  int
	passed int
}

func main() {
	names := flag.String("names", "", "file to append the names of what failed to")
	flag.Parse()
	began := time.Now()
	s := &summary{out: os.Stdout, output: map[string][]string{}}
	err := s.read(os.Stdin)
	failed := s.end(time.Since(began))
	if err != nil {
		failed = append(failed, "FAIL the tests' output could not be read: "+err.Error())
	}
	if err := record(*names, failed); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	if len(failed) > 0 {
		os.Exit(1)
	}
}

func record(path string, lines []string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	for _, line := range lines {
		fmt.Fprintln(f, line)
	}
	return f.Close()
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil {
				// Not an event: the go command itself complains.
				fmt.Fprint(s.out, string(line))
			} else {
				s.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (s *summary) take(e event) {
	id := strings.TrimSpace(e.Package + " " + e.Test)
	switch e.Action {
	case "run":
		s.output[id] = []string{}
	case "output":
		s.output[id] = append(s.output[id], e.Output)
	case "build-output":
		fmt.Fprint(s.out, e.Output)
	case "build-fail":
		s.failed = append(s.failed, e.ImportPath+" does not build")
	case "pass":
		s.count(e, true)
		if e.Test == "" {
			fmt.Fprintf(s.out, "ok    %7.1fs  %s\n", e.Elapsed, e.Package)
		}
		delete(s.output, id)
	case "skip":
		if e.Test != "" && !strings.Contains(e.Test, "/") {
			s.count(e, false)
			s.fail(id, id+" (skipped)")
		}
		delete(s.output, id)
	case "fail":
		s.count(e, false)
		if e.Test == "" {
			fmt.Fprintf(s.out, "FAIL  %7.1fs  %s\n", e.Elapsed, e.Package)
			s.unfinished(e.Package)
			if s.named(e.Package) {
				return
			}
		}
		s.fail(id, id)
	}
}

// unfinished names the tests that began and never ended: the package panicked,
// exited, or ran into its time limit.
func (s *summary) unfinished(pkg string) {
	var ids []string
	for id := range s.output {
		if strings.HasPrefix(id, pkg+" ") {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	for _, id := range ids {
		s.fail(id, id+" (did not end)")
	}
}

// named is whether something in the package is already known to have failed.
func (s *summary) named(pkg string) bool {
	return slices.ContainsFunc(s.failed, func(name string) bool {
		return strings.HasPrefix(name, pkg+" ")
	})
}

func (s *summary) count(e event, passed bool) {
	if e.Test == "" {
		return
	}
	s.tests++
	if passed {
		s.passed++
	}
}

// fail prints what was held back and remembers the name for the end.
func (s *summary) fail(id, name string) {
	said := 0
	for _, line := range s.output[id] {
		fmt.Fprint(s.out, "    ", line)
		if complaint.MatchString(line) && said < 15 {
			said++
			line = strings.TrimSpace(line)
			s.said = append(s.said, line[:min(len(line), 400)])
		}
	}
	delete(s.output, id)
	s.failed = append(s.failed, name)
}

// end says how it went and returns a line for everything that failed. No tests
// at all is a failure too.
func (s *summary) end(took time.Duration) []string {
	fmt.Fprintf(s.out, "\n%d of %d tests passed in %s\n", s.passed, s.tests, took.Round(time.Second))
	for _, line := range s.said {
		fmt.Fprintln(s.out, "    ", line)
	}
	var lines []string
	for _, name := range s.failed {
		lines = append(lines, "FAIL "+name)
	}
	if s.tests == 0 {
		lines = append(lines, "FAIL no test ran")
	}
	return lines
}
