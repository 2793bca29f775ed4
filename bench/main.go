// Command bench runs Lectern's benchmarks and prints one table: each figure
// beside its rival or floor of the same run, and its goal. It measures nothing
// itself, and fails only if a benchmark does: a missed goal is a figure too.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// suite is one run of go test. Its figures are the medians over count runs;
// benchmarks with a count of one take medians within.
type suite struct {
	pkg, bench string
	count      int
}

var suites = []suite{
	{"./e2e", "^Benchmark(Open|OpenPool|OpenCrowd|Pages)$", 1},
	{"./e2e", "^BenchmarkBooks$", 1},
	{"./e2e", "^BenchmarkProxies$", 1},
	{"./exchange", "^BenchmarkSnapshot220Homes$", 5},
	{"./store", "^BenchmarkGradingACrowd$/^next", 1},
	{"./grading", "^BenchmarkFeedbackOfTwoNotebooks$", 3},
	{"./course/notebook/render", "^BenchmarkNotebookOf40Cells(Cold|Warm)$", 5},
}

func main() {
	only := flag.String("only", "", "run only benchmarks whose package or name contains this")
	flag.Parse()
	results, failed := figures{}, false
	for _, s := range suites {
		if !strings.Contains(s.pkg+" "+s.bench, *only) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s %s\n", s.pkg, s.bench)
		if err := run(s, results); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", s.pkg, err)
			failed = true
		}
	}
	fmt.Printf("\n%s/%s, %d cores, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), cpu())
	print(os.Stdout, results)
	fmt.Println()
	sideBySide(os.Stdout, results)
	if failed {
		os.Exit(1)
	}
}

// figures are the values of each benchmark's units, of all its runs.
type figures map[string]map[string][]float64

// run adds what one suite prints, and passes it on to whoever watches.
func run(s suite, into figures) error {
	cmd := exec.Command("go", "test", "-run", "^$", "-bench", s.bench, "-benchtime", "1x", "-count", strconv.Itoa(s.count),
		"-timeout", "20m", s.pkg)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	read(io.TeeReader(out, os.Stderr), into)
	return cmd.Wait()
}

// read takes the figures out of lines such as
// "BenchmarkOpen-2  1  33425055786 ns/op  1018 cold-ms".
func read(r io.Reader, into figures) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "Benchmark") {
			continue
		}
		name := strings.TrimPrefix(f[0], "Benchmark")
		name = strings.TrimSuffix(name, "-"+strconv.Itoa(runtime.GOMAXPROCS(0)))
		if into[name] == nil {
			into[name] = map[string][]float64{}
		}
		for i := 2; i+1 < len(f); i += 2 {
			if v, err := strconv.ParseFloat(f[i], 64); err == nil {
				into[name][f[i+1]] = append(into[name][f[i+1]], v)
			}
		}
	}
}

// of is the median of a unit; ok is false if it was not measured.
func (f figures) of(bench, unit string) (v float64, ok bool) {
	all := slices.Sorted(slices.Values(f[bench][unit]))
	if len(all) == 0 {
		return 0, false
	}
	return all[len(all)/2], true
}

// cpu is the processor's name, as the kernel knows it.
func cpu() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	_, rest, _ := strings.Cut(string(b), "model name")
	line, _, _ := strings.Cut(rest, "\n")
	return strings.TrimLeft(line, "\t: ")
}
