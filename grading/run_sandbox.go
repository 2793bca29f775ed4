package grading

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"time"

	"lectern/course/notebook"
	"lectern/spawner/container"
)

// sandbox is the host's end of the conversation with the driver in one sealed
// container: frames of a length, a tag and JSON. The driver's own word comes in D
// frames; o frames hold what a kernel said and are believed in nothing but
// outputs.
type sandbox struct {
	grader *container.Grader
	kind   kind
	in     *bufio.Reader
	cpu    time.Duration // spent in the container, as of the last notebook's end
}

func newSandbox(g *container.Grader, k kind) *sandbox {
	return &sandbox{grader: g, kind: k, in: bufio.NewReaderSize(g.Stdout, 64<<10)}
}

const (
	maxFrame = 33 << 20
	starting = 60 * time.Second // for the driver to have imported everything
	patience = 20 * time.Second // beyond a cell's time, for the driver to do its part
)

// answer is a D frame.
type answer struct {
	Op string `json:"op"`

	OK      bool   `json:"ok"`      // files
	Missing string `json:"missing"` // opened

	Nonce   string   `json:"nonce"` // done
	Status  string   `json:"status"`
	Cause   string   `json:"cause"`
	Count   int      `json:"count"`
	Reached bool     `json:"reached"`
	Forged  bool     `json:"forged"`
	Flags   []string `json:"flags"`

	Clean bool    `json:"clean"` // closed
	CPU   float64 `json:"cpu"`   // seconds since the container was made
}

// fault is a conversation that broke off; late if the driver had been given
// enough time.
type fault struct {
	late bool
	err  error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// within does one exchange with the driver, which ends when ctx does or after d.
func (s *sandbox) within(ctx context.Context, d time.Duration, talk func() error) error {
	timed, done := context.WithTimeout(ctx, d)
	defer done()
	// Removing the container is what ends a read or write that hangs.
	stop := context.AfterFunc(timed, func() { _ = s.grader.Remove(context.Background()) })
	err := talk()
	if stop() || err == nil && timed.Err() == nil {
		if err != nil {
			return &fault{err: err}
		}
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return &fault{late: true, err: fmt.Errorf("the driver did not answer in %s", d)}
}

func (s *sandbox) ready(ctx context.Context) error {
	return s.plain(ctx, s.within(ctx, starting, func() error { return s.expect("ready", nil) }))
}

// plain is the error of an exchange in which no student's code can have a part.
func (s *sandbox) plain(ctx context.Context, err error) error {
	var f *fault
	if !errors.As(err, &f) || f.late {
		return err
	}
	end, e := s.ending(ctx)
	if e != nil {
		return errors.Join(err, e)
	}
	return fmt.Errorf("%w; the driver ended with %d: %s", err, end.ExitCode, strings.TrimSpace(end.Stderr))
}

// ending is how the container ended; the engine takes a moment to know.
func (s *sandbox) ending(ctx context.Context) (container.Ending, error) {
	for tries := 0; ; tries++ {
		end, err := s.grader.Ending(ctx)
		if err != nil || !end.Running || tries == 40 {
			return end, err
		}
		select {
		case <-ctx.Done():
			return end, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// files lays the submission's files below the home.
func (s *sandbox) files(ctx context.Context, folder string, files []File) error {
	return s.plain(ctx, s.within(ctx, 2*time.Minute, func() error {
		if err := s.order(map[string]any{"op": "files"}); err != nil {
			return err
		}
		out := bufio.NewWriterSize(s.grader.Stdin, 64<<10)
		for _, f := range files {
			if err := s.file(out, folder, f); err != nil {
				return err
			}
		}
		if err := head(out, "", 0); err != nil {
			return err
		}
		if err := out.Flush(); err != nil {
			return err
		}
		var a answer
		if err := s.expect("files", &a); err != nil {
			return err
		}
		if !a.OK {
			return errors.New("the files of the submission could not be laid out")
		}
		return nil
	}))
}

func (s *sandbox) file(out io.Writer, folder string, f File) error {
	rel := path.Join(folder, f.Path)
	if !strings.HasPrefix(rel, folder+"/") {
		return fmt.Errorf("the path %q leads out of the assignment", f.Path)
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	if err := head(out, rel, f.Size); err != nil {
		return err
	}
	_, err = io.CopyN(out, r, f.Size)
	return err
}

func head(out io.Writer, rel string, size int64) error {
	text, err := json.Marshal(map[string]any{"path": rel, "size": size})
	if err != nil {
		return err
	}
	if err := binary.Write(out, binary.BigEndian, uint32(len(text))); err != nil {
		return err
	}
	_, err = out.Write(text)
	return err
}

// order sends one order.
func (s *sandbox) order(v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, len(text)+5), uint32(len(text)+1))
	frame = append(append(frame, 'c'), text...)
	_, err = s.grader.Stdin.Write(frame)
	return err
}

func (s *sandbox) frame() (tag byte, text []byte, err error) {
	var size uint32
	if err := binary.Read(s.in, binary.BigEndian, &size); err != nil {
		return 0, nil, err
	}
	if size == 0 || size > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes", size)
	}
	text = make([]byte, size)
	if _, err := io.ReadFull(s.in, text); err != nil {
		return 0, nil, err
	}
	return text[0], text[1:], nil
}

// expect reads the driver's answer to an order during which no kernel speaks.
func (s *sandbox) expect(op string, a *answer) error {
	if a == nil {
		a = new(answer)
	}
	for {
		tag, text, err := s.frame()
		if err != nil {
			return err
		}
		if tag != 'D' {
			continue
		}
		if err := json.Unmarshal(text, a); err != nil {
			return err
		}
		if a.Op != op {
			return fmt.Errorf("the driver answered %q, not %q", a.Op, op)
		}
		return nil
	}
}

// open starts a kernel for a notebook.
func (s *sandbox) open(ctx context.Context, nb Rebuilt, j Job) error {
	name, _ := nb.Notebook.Kernelspec()["name"].(string)
	if name == "" {
		name = "python3"
	}
	env := j.Env
	if env == nil {
		env = map[string]string{"NBGRADER_EXECUTION": "autograde"}
	}
	var a answer
	err := s.plain(ctx, s.within(ctx, starting, func() error {
		if err := s.order(map[string]any{"op": "open", "kernel": name, "dir": path.Join(j.Folder, path.Dir(nb.Path)), "output": j.Limits.Output, "protocol": j.Protocol,
			"env": env}); err != nil {
			return err
		}
		return s.expect("opened", &a)
	}))
	if err == nil && a.Missing != "" {
		err = fmt.Errorf("%w: %s", ErrKernel, a.Missing)
	}
	return err
}

// cell executes one cell; outputs go to see.
func (s *sandbox) cell(ctx context.Context, c *notebook.Cell, limit time.Duration, see func([]byte)) (answer, error) {
	id := nonce()
	var a answer
	err := s.within(ctx, limit+patience, func() error {
		if err := s.order(map[string]any{"op": "cell", "nonce": id, "code": c.Source, "timeout": limit.Seconds(),
			"test": c.Kind() == notebook.KindTests, "secret": strings.Contains(c.Source, "BEGIN HIDDEN TESTS")}); err != nil {
			return err
		}
		for {
			tag, text, err := s.frame()
			if err != nil {
				return err
			}
			if tag == 'o' {
				see(text)
				continue
			}
			if err := json.NewDecoder(bytes.NewReader(text)).Decode(&a); err != nil {
				return err
			}
			if a.Op != "done" || a.Nonce != id {
				return errors.New("the driver answered for another cell")
			}
			return nil
		}
	})
	var f *fault
	switch {
	case !errors.As(err, &f):
		return a, err
	case f.late:
		return answer{Status: "dead", Cause: "time"}, nil
	}
	end, e := s.ending(ctx)
	if e == nil && !end.Running && end.OOM {
		return answer{Status: "dead", Cause: "memory"}, nil
	}
	return a, errors.Join(s.plain(ctx, err), e)
}

// shut ends the kernel; clean means that nothing of the notebook runs any more.
func (s *sandbox) shut(ctx context.Context) (clean bool) {
	var a answer
	err := s.within(ctx, patience, func() error {
		if err := s.order(map[string]any{"op": "close"}); err != nil {
			return err
		}
		return s.expect("closed", &a)
	})
	s.cpu = time.Duration(a.CPU * float64(time.Second))
	return err == nil && a.Clean
}
