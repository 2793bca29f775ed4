// Command jupyterstub stands in for jupyter-lab where a test is about the
// container and not about Jupyter. It takes the same options, reads its token
// the same way, answers the few REST calls that Lectern makes and enough of
// what JupyterLab asks for a class to work in it. POST requests below /stub/
// make it misbehave.
package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

type stub struct {
	token   string
	started time.Time

	mu    sync.Mutex
	state string    // of its one kernel
	last  time.Time // activity of its one kernel
	hog   [][]byte
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "jupyterstub:", err)
		os.Exit(3)
	}
}

func run() error {
	fmt.Println("stub: starting")
	boot, _ := time.ParseDuration(os.Getenv("STUB_BOOT"))
	time.Sleep(boot)
	wait(os.Getenv("JUPYTER_TOKEN_FILE"))
	token, err := os.ReadFile(os.Getenv("JUPYTER_TOKEN_FILE"))
	if err != nil {
		return err
	}
	if code, err := strconv.Atoi(os.Getenv("STUB_EXIT")); err == nil {
		fmt.Println("stub: giving up")
		os.Exit(code)
	}
	l, err := net.Listen("tcp", net.JoinHostPort(option("ip"), option("port")))
	if err != nil {
		return err
	}
	s := &stub{token: string(token), started: time.Now(), state: "idle", last: time.Now()}
	fmt.Println("stub: ready")
	ctx, done := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer done()
	server := &http.Server{Handler: s.routes()}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	fmt.Println("stub: bye")
	return nil
}

// wait returns when the token is there, if it is to come later, as the one of
// deploy/notebook does.
func wait(path string) {
	if _, err := os.Stat(filepath.Join(filepath.Dir(path), "waits")); err != nil {
		return
	}
	empty, _ := os.Stat(".")
	fmt.Println("lectern: waiting")
	for seen := false; ; time.Sleep(2 * time.Millisecond) {
		if _, err := os.Stat(path); err == nil {
			return
		}
		if now, err := os.Stat("/home/student"); err == nil && !seen && !os.SameFile(empty, now) {
			seen = true
			fmt.Println("lectern: sees a home")
		}
	}
}

func option(name string) string {
	for _, arg := range os.Args[1:] {
		if value, ok := strings.CutPrefix(arg, "--ServerApp."+name+"="); ok {
			return value
		}
	}
	return ""
}

func (s *stub) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/status", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, map[string]any{"started": s.started, "last_activity": time.Now(), "kernels": 1, "connections": 0})
	})
	mux.HandleFunc("GET /api/kernels", func(w http.ResponseWriter, _ *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		answer(w, []map[string]any{s.kernel()})
	})
	mux.HandleFunc("GET /api/terminals", func(w http.ResponseWriter, _ *http.Request) { answer(w, []any{}) })
	mux.HandleFunc("POST /stub/kernel", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.state, s.last = r.FormValue("state"), time.Now()
	})
	mux.HandleFunc("POST /stub/exit", func(_ http.ResponseWriter, r *http.Request) {
		code, _ := strconv.Atoi(r.FormValue("code"))
		os.Exit(code)
	})
	mux.HandleFunc("POST /stub/write", func(w http.ResponseWriter, r *http.Request) {
		if err := os.WriteFile(r.FormValue("path"), []byte(r.FormValue("text")), 0o600); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
		}
	})
	mux.HandleFunc("GET /stub/dial", func(w http.ResponseWriter, r *http.Request) {
		c, err := net.DialTimeout("tcp", r.FormValue("addr"), 2*time.Second)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		c.Close()
	})
	// Takes 16 MiB at a time, every page touched, until there is no more.
	mux.HandleFunc("POST /stub/eat", func(http.ResponseWriter, *http.Request) {
		for {
			b := make([]byte, 16<<20)
			for i := 0; i < len(b); i += 4096 {
				b[i] = 1
			}
			s.hog = append(s.hog, b)
		}
	})
	s.lab(mux)
	bench(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "token "+s.token {
			http.Error(w, "Forbidden", http.StatusForbidden)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func answer(w http.ResponseWriter, v any) { answerWith(w, http.StatusOK, v) }
