package grading_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"lectern/grading"
)

// nbgrader's figure on this class of machine, for two notebooks with numpy and
// matplotlib; it is quoted, not measured here.
const nbgraderSeconds = 6.1

// BenchmarkAutograde grades whole submissions, one worker a core, in sealed
// containers of which each serves one. It prints how many a minute, what they
// cost, and what the same cells cost in a forked Python without any of it.
func BenchmarkAutograde(b *testing.B) {
	a := assignment(b, "testdata/bench", grading.DefaultLimits)
	files := filesIn(b, "testdata/bench")
	engine := newEngine(b)
	cores := runtime.NumCPU()
	runner := grading.NewRunner(grading.RunnerOptions{Engine: engine, Site: fmt.Sprintf("bench-%d", os.Getpid()), Ahead: cores})
	defer runner.Close()
	var mu sync.Mutex
	var cpu time.Duration
	n := 8 * b.N // an op is eight submissions, so that one is not mostly the start of the first
	work := make(chan int)
	var group sync.WaitGroup
	engineBefore := engineCPU()
	b.ResetTimer()
	began := time.Now()
	for range cores {
		group.Go(func() {
			for range work {
				g, err := runner.Autograde(b.Context(), a, files)
				if err != nil {
					b.Error(err)
					continue
				}
				for _, nb := range g.Notebooks {
					for _, m := range nb.Marks {
						if m.Points != nil && *m.Points != m.Max {
							b.Errorf("%s: %v of %v: %s", m.GradeID, *m.Points, m.Max, m.Reason)
						}
					}
				}
				mu.Lock()
				cpu += g.CPU
				mu.Unlock()
			}
		})
	}
	for i := range n {
		work <- i
	}
	close(work)
	group.Wait()
	took := time.Since(began)
	b.StopTimer()
	each := took.Seconds() / float64(n)
	b.ReportMetric(60/each, "submissions/min")
	b.ReportMetric(cpu.Seconds()/float64(n), "container-cpu-s/submission")
	b.ReportMetric((engineCPU()-engineBefore)/float64(n), "engine-cpu-s/submission")
	b.ReportMetric(nbgraderSeconds/each, "x-nbgrader(6.1s)")
}

// BenchmarkAutogradeFloor is the same cells without any grading.
func BenchmarkAutogradeFloor(b *testing.B) {
	dir, err := filepath.Abs("testdata/bench")
	ok(b, err)
	n := max(b.N, 4)
	out, err := exec.CommandContext(b.Context(), "docker", "run", "--rm", "--network", "none", "-e", "MPLCONFIGDIR=/tmp/m", "-v", dir+":/b:ro", testImage,
		"python3", "/b/floor.py", "/b", strconv.Itoa(n)).Output()
	ok(b, err)
	each, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	ok(b, err)
	b.ReportMetric(each, "cpu-s/submission")
}

// engineCPU is what the engine's two lasting processes have computed, in seconds.
func engineCPU() (total float64) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		text := string(data)
		end := strings.LastIndexByte(text, ')')
		if end < 0 || !strings.HasSuffix(text[:end], "(dockerd") && !strings.HasSuffix(text[:end], "(containerd") {
			continue
		}
		f := strings.Fields(text[end+1:])
		for _, v := range f[11:15] {
			ticks, _ := strconv.ParseFloat(v, 64)
			total += ticks / 100
		}
	}
	return total
}
