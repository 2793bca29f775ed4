package remote_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"lectern/spawner/container"
	"lectern/spawner/remote"
)

// whom is set in the process that connectAs starts.
const whom = "LECTERN_TEST_CONNECT"

// connectAs runs the test once more as somebody else, who sends one request and
// says what came of it.
func connectAs(t *testing.T, socket string, uid, gid uint32) string {
	t.Helper()
	cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), whom+"="+socket)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("as %d:%d: %v\n%s", uid, gid, err, out)
	}
	first, _, _ := strings.Cut(string(out), "\n")
	return first
}

func TestTheKernelSaysWhoMayConnect(t *testing.T) {
	if socket := os.Getenv(whom); socket != "" {
		conn, err := net.Dial("unix", socket)
		if err != nil {
			fmt.Println("no connection:", err)
			return
		}
		_, _ = io.WriteString(conn, "POST /v1/list HTTP/1.1\r\nHost: s\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
		got, _ := io.ReadAll(conn)
		fmt.Printf("%.15s\n", got)
		return
	}
	if os.Geteuid() != 0 {
		t.Fatal("this test becomes other users, for which it must be root")
	}
	d := openDoor(t)
	d.close()
	log := slog.New(slog.DiscardHandler)
	const user, group = 12345, 23456
	ln, err := remote.Listen(d.socket, remote.Peers{User: user, Group: group}, log)
	must(t, err)
	d.close = serveOn(t, ln, remote.Config{Workspaces: d.engine, Local: d.engine, Rows: d.rows, Data: d.data, Log: log})
	st, err := os.Stat(d.socket)
	must(t, err)
	if st.Mode().Perm() != 0o660 || st.Sys().(*syscall.Stat_t).Gid != group {
		t.Errorf("the socket is %v of group %d, want 0660 of %d", st.Mode(), st.Sys().(*syscall.Stat_t).Gid, group)
	}
	must(t, os.Chmod(filepath.Dir(d.socket), 0o755))
	if got := connectAs(t, d.socket, 999, 999); !strings.HasPrefix(got, "no connection") {
		t.Errorf("a stranger gets %q", got)
	}
	must(t, os.Chmod(d.socket, 0o666)) // so that only the kernel's word is in the way
	for _, c := range []struct {
		uid, gid uint32
		want     string
	}{
		{user, 999, "HTTP/1.1 200 OK"}, {999, group, "HTTP/1.1 200 OK"}, {999, 999, ""}, {1000, 100, ""}, {group, user, ""},
	} {
		if got := connectAs(t, d.socket, c.uid, c.gid); got != c.want {
			t.Errorf("%d:%d gets %q, want %q", c.uid, c.gid, got, c.want)
		}
	}
}

func TestOneProcessListens(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	if _, err := remote.Listen(d.socket, remote.Peers{}, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "another process") {
		t.Errorf("a second Listen: %v", err)
	}
	d.close()
	if _, err := d.List(t.Context(), nil); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("List without a server: %v, want ErrEngineDown", err)
	}
	// A killed server leaves its socket.
	ln, err := net.Listen("unix", d.socket)
	must(t, err)
	ln.(*net.UnixListener).SetUnlinkOnClose(false)
	ln.Close()
	d.serve()
	if _, err := d.List(t.Context(), nil); err != nil {
		t.Errorf("List after its return: %v", err)
	}
}

// Whatever sits at the other end, the client concludes nothing about any
// container, and comes back by itself when it is mended.
func TestGarbageFromThePeer(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.close()
	ln, err := net.Listen("unix", d.socket)
	must(t, err)
	var say atomic.Value
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_, _ = conn.Read(make([]byte, 4096))
				_, _ = io.WriteString(conn, say.Load().(string))
			}()
		}
	}()
	json := "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, text := range map[string]string{
		"nothing":           "",
		"noise":             "\x00\xff\x13\x37",
		"another protocol":  "SSH-2.0-OpenSSH_9.2\r\n",
		"cut off":           json + "Content-Length: 400\r\n\r\n[{\"ID\":",
		"not JSON":          json + "Content-Length: 5\r\n\r\nhello",
		"another type":      json + "Content-Length: 2\r\n\r\n42",
		"another version":   "HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
		"a redirect":        "HTTP/1.1 302 Found\r\nLocation: http://elsewhere/\r\nContent-Length: 0\r\n\r\n",
		"a header too long": "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 100_000) + "\r\n\r\n[]",
		"no end":            json + "Content-Length: 99999999\r\n\r\n" + strings.Repeat(" ", 17<<20),
	} {
		say.Store(text)
		if _, err := d.List(t.Context(), nil); !errors.Is(err, container.ErrEngineDown) {
			t.Errorf("%s: List = %v, want ErrEngineDown", name, err)
		}
		if _, err := d.Inspect(t.Context(), "lectern-abc"); !errors.Is(err, container.ErrEngineDown) || errors.Is(err, container.ErrNotFound) {
			t.Errorf("%s: Inspect = %v, want ErrEngineDown", name, err)
		}
		if err := d.Events(t.Context(), nil, func(container.Event) {}); !errors.Is(err, container.ErrEngineDown) {
			t.Errorf("%s: Events = %v, want ErrEngineDown", name, err)
		}
		if _, err := d.Assets(t.Context(), notebook, "", func(string, io.Reader) error { return nil }); !errors.Is(err, container.ErrEngineDown) {
			t.Errorf("%s: Assets = %v, want ErrEngineDown", name, err)
		}
		if _, err := d.Graders().Seal(t.Context(), container.Sealed{Image: notebook, Command: container.DriverCommand}); !errors.Is(err, container.ErrEngineDown) {
			t.Errorf("%s: Seal = %v, want ErrEngineDown", name, err)
		}
	}
	ln.Close()
	d.serve()
	if _, err := d.List(t.Context(), nil); err != nil {
		t.Errorf("List after its return: %v", err)
	}
}

// A peer that accepts and says nothing ends with the caller's deadline, and so
// does a caller that connects and says nothing with the server's.
func TestSilenceEndsOnBothSides(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	ctx, done := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer done()
	silent := filepath.Join(filepath.Dir(d.socket), "silent")
	ln, err := net.Listen("unix", silent)
	must(t, err)
	defer ln.Close()
	began := time.Now()
	c := remote.NewClient(silent)
	if _, err := c.List(ctx, nil); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("List = %v, want ErrEngineDown", err)
	}
	if _, err := c.Graders().Seal(ctx, container.Sealed{Command: container.DriverCommand}); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Seal = %v, want ErrEngineDown", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.List(gone, nil); !errors.Is(err, context.Canceled) || errors.Is(err, container.ErrEngineDown) {
		t.Errorf("List of a caller that left = %v, want context.Canceled alone", err)
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("that took %v", took)
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, text := range []string{"", "POST /v1/list HTTP/1.1\r\n", "POST /v1/list HTTP/1.1\r\nHost: s\r\nContent-Length: " + strconv.Itoa(100) + "\r\n\r\n{"} {
		all.Go(func() {
			began := time.Now()
			talk(t, d.socket, text)
			if took := time.Since(began); took > 15*time.Second {
				t.Errorf("the server waits %v for the rest of %q", took, text)
			}
		})
	}
}

// Without its database the server says that it is down, and nothing about
// containers: theirs might not be this site's.
func TestAServerWithoutItsDatabase(t *testing.T) {
	t.Parallel()
	d := openDoor(t)
	d.rows.mu.Lock()
	d.rows.down = true
	d.rows.mu.Unlock()
	if _, err := d.List(t.Context(), nil); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("List = %v, want ErrEngineDown", err)
	}
	if _, err := d.Inspect(t.Context(), "lectern-abc"); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Inspect = %v, want ErrEngineDown", err)
	}
	if err := d.Remove(t.Context(), "lectern-abc"); !errors.Is(err, container.ErrEngineDown) {
		t.Errorf("Remove = %v, want ErrEngineDown", err)
	}
}
