package e2e_test

import (
	"context"
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"lectern/store"
)

// at is a student in a running workspace, with a kernel that holds a variable.
type at struct {
	*client
	origin, kernel string
}

// Five students work in real JupyterLabs, one of them in a real browser, while
// Lectern is killed, ended and started again, and while a container is taken away.
func TestKernelsOutliveLectern(t *testing.T) {
	t.Parallel()
	p := launch(t)
	c := p.class(5)
	var students [4]at
	var opening sync.WaitGroup
	for i := range students {
		who := p.as(fmt.Sprintf("student%d", i+1))
		opening.Go(func() {
			var err error
			s := at{client: who}
			if s.origin, err = who.open(); err == nil {
				if s.kernel, err = who.newKernel(s.origin); err == nil {
					_, err = who.run(s.origin, s.kernel, "kept = '"+who.login+"'")
				}
			}
			if err != nil {
				t.Errorf("%s: %v", who.login, err)
			}
			students[i] = s
		})
	}
	tab := visitor(t, chromium(t), p.url(), "student5")
	tab.signIn()
	tab.goTo(firstSteps)
	tab.click(`//button[contains(., "Open assignment")]`)
	tab.see(".jp-Notebook .jp-CodeCell .cm-content")
	tab.wait("the kernel", `document.body.innerText.includes("Python 3 (ipykernel) | Idle")`)
	tab.cell(`kept = "a tab"; print("set", 6 * 7)`, "set 42")
	opening.Wait()
	if t.Failed() {
		t.FailNow()
	}
	rows, containers := c.running(5), p.containers()
	if len(containers) != 5 {
		t.Fatalf("%d containers for five students: %v", len(containers), containers)
	}
	same := func(t *testing.T) {
		t.Helper()
		if got := c.running(5); !slices.Equal(got, rows) {
			t.Errorf("workspaces are %v, were %v", got, rows)
		}
		if got := p.containers(); !slices.Equal(got, containers) {
			t.Errorf("containers are %v, were %v", got, containers)
		}
		for _, s := range students {
			got, err := s.run(s.origin, s.kernel, "kept")
			if want := "'" + s.login + "'"; err != nil || got != want {
				t.Errorf("the kernel of %s says %q, %v; want %s", s.login, got, err, want)
			}
		}
	}

	t.Run("kill -9", func(t *testing.T) {
		p.kill()
		p.run()
		same(t)
		tab.cell(`print("still", kept)`, "still a tab") // the page was not reloaded
		if got := tab.eval(`String(performance.getEntriesByType("navigation")[0].type)`); got != "navigate" {
			t.Errorf("the tab was loaded by %q, want the first navigation still", got)
		}
	})
	t.Run("SIGTERM with open websockets", func(t *testing.T) {
		conn, err := students[0].socket(t.Context(), students[0].origin, students[0].kernel)
		must(t, err)
		defer conn.CloseNow()
		began := time.Now()
		p.stop()
		if took := time.Since(began); took > 10*time.Second || !p.cmd.ProcessState.Success() {
			t.Errorf("ended %v after SIGTERM with %v, want success within 10 s", took, p.cmd.ProcessState)
		} else {
			t.Logf("ended %v after SIGTERM", took.Round(time.Millisecond))
		}
		if got := p.containers(); !slices.Equal(got, containers) {
			t.Errorf("containers after the end are %v, were %v", got, containers)
		}
		p.run()
		same(t)
		tab.cell(`print("again", kept)`, "again a tab")
	})
	t.Run("a container removed behind our back", func(t *testing.T) { removed(t, c, students[0]) })
}

// removed takes a student's container away, and follows them back into a new one.
func removed(t *testing.T, c *class, s at) {
	t.Helper()
	id := strings.Split(strings.TrimPrefix(s.origin, "http://"), ".")[0]
	row, err := c.Workspace(t.Context(), id)
	must(t, err)
	must(t, exec.Command("docker", "rm", "-f", row.ContainerID).Run())
	began := time.Now()
	page := "/courses/demo/workspaces/" + id
	for got := (reply{}); ; time.Sleep(100 * time.Millisecond) {
		if got, err = s.get(page); err == nil && strings.Contains(got.body, "Your workspace is not running") {
			break
		}
		if time.Since(began) > 15*time.Second {
			t.Fatalf("after 15 s the workspace's page does not offer to start it again: %d to %q: %.2000s", got.status, got.location, got.body)
		}
	}
	t.Logf("noticed after %v", time.Since(began).Round(time.Millisecond))
	if got := s.mustGet(s.origin + "/lab"); got.status < 500 || !strings.Contains(got.body, "Start it again") {
		t.Errorf("the tab of the lost workspace shows %d %.2000s; want an offer to start it again", got.status, got.body)
	}
	began = time.Now()
	if s.origin, err = s.open(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("open again took %v, want at most 15 s", took)
	}
	got := s.mustGet(s.origin + "/api/contents/first-steps")
	if got.status != http.StatusOK || !strings.Contains(got.body, "1-squares.ipynb") {
		t.Errorf("the new container shows %d %.300s; want the student's files", got.status, got.body)
	}
	if n := len(c.running(5)); n != 5 {
		t.Errorf("%d workspaces run, want five", n)
	}
}

// running waits until so many workspaces run and gives them with their containers.
func (c *class) running(want int) []string {
	c.p.t.Helper()
	var out []string
	await(c.p.t, fmt.Sprintf("%d running workspaces", want), func() bool {
		all, err := c.ActiveWorkspaces(context.Background())
		if err != nil {
			return false // our own connection was to the server that went with the program
		}
		out = out[:0]
		steady := !slices.ContainsFunc(all, func(w store.Workspace) bool { return w.State != "running" })
		for _, w := range all {
			out = append(out, w.ID+" "+w.ContainerID)
		}
		slices.Sort(out)
		return steady && len(out) == want
	})
	return slices.Clone(out)
}

// cell puts code into the first answer, runs it and waits for what it prints.
func (p *person) cell(code, want string) {
	p.t.Helper()
	focused := `document.activeElement.closest(".jp-CodeCell .cm-content") !== null`
	for deadline := time.Now().Add(30 * time.Second); p.eval(`String(`+focused+`)`) != "true" && time.Now().Before(deadline); time.Sleep(300 * time.Millisecond) {
		// While its server was away JupyterLab may have asked for a moment's patience;
		// a person closes that and goes on.
		if p.eval(`String(document.querySelector(".jp-Dialog .jp-Dialog-button") !== null)`) == "true" {
			p.t.Logf("JupyterLab says: %s", p.text(".jp-Dialog"))
			p.eval(`document.querySelector(".jp-Dialog .jp-Dialog-button").click(), ""`)
		}
		p.mouse(".jp-CodeCell .cm-content")
	}
	p.wait("the editor to have the focus", focused)
	p.do("clear it", chromedp.KeyEvent("a", chromedp.KeyModifiers(chromedp.ModifierCtrl)), chromedp.KeyEvent(kb.Delete))
	p.typeText(code)
	p.do("run it", chromedp.KeyEvent(kb.Enter, chromedp.KeyModifiers(chromedp.ModifierCtrl)))
	p.wait(want, `[...document.querySelectorAll(".jp-CodeCell .jp-OutputArea-output")].some((e) => e.textContent.includes(`+quote(want)+`))`)
}
