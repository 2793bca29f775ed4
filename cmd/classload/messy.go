package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
)

// mess is what a messy student does beside working.
type mess struct {
	*student
	lid time.Time // when the class closes its lids next: all at once, as at the end of a lecture
}

// lids is how often a lid is closed during the work.
const lids = 3

func newMess(s *student) *mess {
	m := &mess{student: s, lid: s.began}
	m.nextLid()
	return m
}

// nextLid is by the class's clock, so that those at work close theirs together.
func (m *mess) nextLid() {
	every := m.work/(lids+1) + time.Second
	m.lid = m.lid.Add((time.Since(m.lid)/every + 1) * every)
}

// now does one messy thing, or tells that this is a moment of quiet.
func (m *mess) now(ctx context.Context) bool {
	if !time.Now().Before(m.lid) {
		reopen := m.lid.Add(m.think)
		m.nextLid()
		m.closeLid(ctx, reopen)
		return true
	}
	switch m.rand.IntN(8) {
	case 0:
		m.reloadStorm(ctx)
	case 1:
		m.threeTabs(ctx)
	case 2:
		_ = m.do(ctx, "runaway output", func() error { return m.runaway(ctx) })
	case 3:
		_ = m.do(ctx, "memory spike", func() error {
			_, _, err := m.tab.execute(ctx, fmt.Sprintf("hoard = bytearray(%d << 20)\ndel hoard", m.memory))
			return err
		})
	default:
		return false
	}
	return true
}

// reloadStorm presses reload again and again before the page is there, and then
// lets it load. What the browser gave up by itself is not counted; an answer that
// says the server is in trouble is.
func (m *mess) reloadStorm(ctx context.Context) {
	_ = m.do(ctx, "reload storm", func() error {
		for range 5 {
			short, done := context.WithTimeout(ctx, time.Duration(5+m.rand.IntN(40))*time.Millisecond)
			got, err := m.web.ask(short, http.MethodGet, m.lab, "", "")
			done()
			if err == nil && got.status >= 400 {
				return fmt.Errorf("reload: %d %s", got.status, brief(got.text))
			}
		}
		return nil
	})
	_ = m.reload(ctx, "re-")
}

// threeTabs opens the notebook in two more tabs and runs a cell in each.
func (m *mess) threeTabs(ctx context.Context) {
	_ = m.do(ctx, "two more tabs", func() error {
		for range 2 {
			tab, err := m.web.connect(ctx, m.origin, m.kernelID, uuid.NewString())
			if err != nil {
				return err
			}
			defer tab.drop()
			if _, _, err := tab.execute(ctx, `print("another tab")`); err != nil {
				return err
			}
		}
		return nil
	})
}

// Runaway output is 4 MB in lines of a thousand characters. A server may cut it
// short; the cell must end all the same, and the next one print.
const runawayLines = 4000

func (m *mess) runaway(ctx context.Context) error {
	_, size, err := m.tab.execute(ctx, fmt.Sprintf("for i in range(%d): print(%q * 1000)", runawayLines, "x"))
	if err == nil && size == 0 {
		err = fmt.Errorf("nothing of it arrived")
	}
	return err
}

// closeLid drops the socket without a word; at the same moment as everybody
// else's, it is opened again and the kernel must still be the same.
func (m *mess) closeLid(ctx context.Context, reopen time.Time) {
	m.tab.drop()
	if pause(ctx, time.Until(reopen)) != nil {
		return
	}
	_ = m.do(ctx, "open the lid", func() error {
		if err := m.connectAgain(ctx); err != nil {
			return err
		}
		return m.cell(ctx)
	})
}
