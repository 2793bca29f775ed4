// Package deploy_test brings up what an operator would, and looks at it from
// outside.
package deploy_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"lectern/spawner/container/enginetest"
)

// stack is docker-compose.yml running under a name and on ports of its own.
type stack struct {
	t       *testing.T
	env     []string
	project string
	https   string
	http    string
}

func TestComposeServesTheSiteThroughItsProxy(t *testing.T) {
	t.Parallel()
	s := up(t)
	client := s.client()

	body := s.ask(client, "https://localhost:"+s.https+"/healthz", http.StatusOK)
	if body == "" {
		t.Error("healthz has an empty body")
	}

	t.Run("a workspace's host has a certificate and reaches Lectern, who knows no such workspace", func(t *testing.T) {
		res, err := client.Get("https://nobody.work.localhost:" + s.https + "/lab")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode < 400 || res.StatusCode >= 500 {
			t.Errorf("status %d, want a refusal", res.StatusCode)
		}
	})
	t.Run("a host that is none of ours gets no certificate", func(t *testing.T) {
		if res, err := client.Get("https://elsewhere.test:" + s.https + "/healthz"); err == nil {
			res.Body.Close()
			t.Errorf("status %d, want no connection", res.StatusCode)
		}
	})
	t.Run("http leads to https on the port people use", func(t *testing.T) {
		res, err := client.Get("http://localhost:" + s.http + "/courses?a=b")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		want := "https://localhost:" + s.https + "/courses?a=b"
		if got := res.Header.Get("Location"); res.StatusCode != http.StatusPermanentRedirect || got != want {
			t.Errorf("%d to %q, want 308 to %q", res.StatusCode, got, want)
		}
	})
	t.Run("the database listens on no port", func(t *testing.T) {
		out := s.compose("exec", "-T", "postgres", "psql", "-U", "lectern", "-Atc", "show listen_addresses")
		if strings.TrimSpace(out) != "" {
			t.Errorf("listen_addresses = %q, want none", out)
		}
	})
	t.Run("the web's container cannot reach the engine", s.webHasNoEngine)
	t.Run("a workspace starts by its row and survives the spawner", s.workspaceByRow)
	t.Run("data survives the containers", func(t *testing.T) {
		count := []string{"exec", "-T", "postgres", "psql", "-U", "lectern", "-Atc",
			"select count(*) from information_schema.tables where table_schema = 'public'"}
		before := strings.TrimSpace(s.compose(count...))
		if before == "0" || before == "" {
			t.Fatalf("%q tables; Lectern has not migrated its database", before)
		}
		s.compose("down")
		s.compose("up", "-d")
		s.ask(client, "https://localhost:"+s.https+"/healthz", http.StatusOK)
		if after := strings.TrimSpace(s.compose(count...)); after != before {
			t.Errorf("%s tables after down and up, want %s", after, before)
		}
	})
}

// up builds the images and starts everything; the test's end takes it down.
func up(t *testing.T) *stack {
	t.Helper()
	if out, err := exec.Command("make", "-C", "..", "build").CombinedOutput(); err != nil {
		t.Fatalf("make build: %v\n%s", err, out)
	}
	ports := free(t, 3)
	s := &stack{t: t, https: ports[0], http: ports[1], project: "lectern-test-" + ports[0]}
	s.env = append(os.Environ(),
		"COMPOSE_PROJECT_NAME="+s.project,
		"LECTERN_SITE_URL=https://localhost:"+s.https,
		"LECTERN_HTTPS_PORT="+s.https,
		"LECTERN_HTTP_PORT="+s.http,
		"LECTERN_LISTEN=127.0.0.1:"+ports[2],
		"LECTERN_DATA_HOST="+t.TempDir(),
		"LECTERN_WORKSPACE_NETWORK="+s.project,
	)
	t.Cleanup(func() {
		if t.Failed() {
			t.Log(s.compose("logs", "--no-color", "--tail=50"))
		}
		for _, id := range strings.Fields(s.docker("ps", "-aq", "--filter", "network="+s.project)) {
			s.docker("rm", "-f", id)
		}
		s.compose("down", "-v")
		_ = exec.Command("docker", "network", "rm", s.project).Run() // made by Lectern, if it got that far
	})
	s.compose("up", "-d")
	return s
}

// free returns ports nobody listens on just now.
func free(t *testing.T, n int) []string {
	t.Helper()
	ports := make([]string, n)
	for i := range ports {
		ports[i] = strconv.Itoa(enginetest.Port(t))
	}
	return ports
}

// compose runs one command of deploy/compose and returns its standard output.
func (s *stack) compose(args ...string) string {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "./compose", args...)
	cmd.Env = s.env
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		s.t.Errorf("compose %s: %v\n%s%s", strings.Join(args, " "), err, &out, &problems)
	}
	return out.String()
}

// client trusts the proxy's own certificate and nothing else, finds every host
// on this machine, and follows no redirect.
func (s *stack) client() *http.Client {
	s.t.Helper()
	roots := x509.NewCertPool()
	const read = "for i in $(seq 100); do [ -s fullchain.pem ] && exec cat fullchain.pem; sleep 0.1; done"
	if pem := s.compose("exec", "-T", "proxy", "sh", "-c", "cd /certificates; "+read); !roots.AppendCertsFromPEM([]byte(pem)) {
		s.t.Fatalf("no certificate in the proxy: %q", pem)
	}
	return &http.Client{
		Timeout:       10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
				_, port, _ := net.SplitHostPort(addr)
				return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
			},
		},
	}
}

// ask repeats a request until it is answered with the status, for a minute.
func (s *stack) ask(client *http.Client, url string, status int) string {
	s.t.Helper()
	last := "no answer"
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		res, err := client.Get(url)
		if err != nil {
			last = err.Error()
			continue
		}
		body, _ := io.ReadAll(res.Body)
		res.Body.Close()
		if res.StatusCode == status {
			return string(body)
		}
		last = fmt.Sprintf("%s: %s", res.Status, body)
	}
	s.t.Fatalf("%s: %s; want %d", url, last, status)
	return ""
}
