package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// TestAClassOfTwentyWorks lets cmd/classload loose on the running program:
// twenty students, one in three of them messy. Whatever they do, no step fails
// the first time, and what each handed in is recorded and holds the last save.
func TestAClassOfTwentyWorks(t *testing.T) {
	t.Parallel()
	const students = 20
	p := launch(t, "LECTERN_NOTEBOOK_IMAGE="+enginetest.StubImage(t), "LECTERN_WORKSPACE_MEMORY=256MiB")
	c := p.class(students)
	bin := filepath.Join(t.TempDir(), "classload")
	if out, err := exec.Command("go", "build", "-o", bin, "lectern/cmd/classload").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, bin, "-site", p.url(), "-students", itoa(students), "-arrive", "4s", "-work", "16s",
		"-think", "700ms", "-save", "3s", "-poll", "2s", "-memory", "50", "-json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr, cmd.WaitDelay = &out, &errs, 5*time.Second
	if err := cmd.Run(); err != nil {
		t.Errorf("classload: %v\n%s", err, errs.String())
	}
	var got struct {
		Students, Submitted, Failed, Messy int
		Steps                              []struct {
			Step  string
			Count int
			P50   float64 `json:"p50_ms"`
			P99   float64 `json:"p99_ms"`
		}
		Failures []struct {
			Step, Text string
			Count      int
		}
		Receipts []struct {
			Login, Path string
			Saves       int
		}
	}
	must(t, json.Unmarshal(out.Bytes(), &got))
	for _, f := range got.Failures {
		t.Errorf("%d × %s: %s", f.Count, f.Step, f.Text)
	}
	if got.Students != students || got.Submitted != students || got.Failed != 0 || got.Messy != 6 || len(got.Receipts) != students {
		t.Errorf("%d students, %d messy: %d handed in, %d steps failed, %d receipts; want all, six, all, none, all",
			got.Students, got.Messy, got.Submitted, got.Failed, len(got.Receipts))
	}
	if n := c.check(); n != students {
		t.Errorf("%d submissions are recorded, want one of each student", n)
	}
	for _, r := range got.Receipts {
		subs := c.of(r.Login)
		if len(subs) != 1 || r.Saves < 2 || !strings.HasSuffix(r.Path, fmt.Sprintf("/%d", subs[0].ID)) {
			t.Errorf("%s was shown %s after %d saves; recorded are %+v", r.Login, r.Path, r.Saves, subs)
		}
	}
	counts := map[string]int{}
	for _, s := range got.Steps {
		counts[s.Step] = s.Count
		t.Logf("%-20s %4d  p50 %7.1f ms  p99 %7.1f ms", s.Step, s.Count, s.P50, s.P99)
	}
	for step, least := range map[string]int{"cell": 5 * students, "save": students, "look at kernels": students, "click to first cell": students,
		"what was handed in": students, "open the lid": 6, "runaway output": 1, "memory spike": 1, "reload storm": 1, "two more tabs": 1} {
		if counts[step] < least {
			t.Errorf("%q happened %d times, want at least %d: this was no such class", step, counts[step], least)
		}
	}
}
