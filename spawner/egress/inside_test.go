package egress

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lectern/spawner/container"
	"lectern/spawner/container/enginetest"
)

// reach is what a student's cell does: the proxy is in its environment.
const reach = `
import urllib.request, urllib.error, ssl
def get(what, address):
    try: print(what, urllib.request.urlopen(address, timeout=20, context=ssl._create_unverified_context()).read().decode())
    except urllib.error.HTTPError as e: print(what, e.code, e.read().decode().strip())
    except Exception as e: print(what, e)
get("plain", "http://listed.test:%[1]s/a")
get("other", "http://unlisted.test/")
get("secret", "http://cloud.test/")
get("tls", "https://unlisted.test/")
import socket
def raw(what, *address):
    try: socket.create_connection(address, 2); print(what, "open")
    except OSError as e: print(what, type(e).__name__)
raw("past", "%[2]s", 443)
raw("names", "example.org", 443)
print("end")
`

// From inside a container without a way out, with what any program there does by
// itself, listed hosts are reached and no others, by no other way.
func TestFromInsideAContainer(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for d := data; len(d) > len(os.TempDir()); d = filepath.Dir(d) {
		must(t, os.Chmod(d, 0o755))
	}
	network := fmt.Sprintf("lectern-egress-%d", os.Getpid())
	d, err := container.NewDocker(container.DockerOptions{Network: network, Data: container.Paths{Inside: data}, Secrets: filepath.Join(data, "run", "secrets")})
	must(t, err)
	t.Cleanup(func() {
		_ = enginetest.Docker(context.Background(), http.MethodDelete, "/networks/"+network+"-closed", nil, nil)
	})
	e := enginetest.Rig{Engine: d, Data: data, Image: "lectern/notebook:latest", Realm: network}

	// The first container makes the network, and with it the proxy's address.
	first := e.Place(t, "first")
	first.Image, first.Closed = enginetest.StubImage(t), true
	_, err = d.Start(t.Context(), container.Workspace(first))
	must(t, err)
	ln, err := Listen(container.ClosedInterface(network), container.ProxyPort)
	must(t, err)
	r := newRig(t, ln, false)

	p := e.Place(t, "student")
	p.Closed, p.Proxied = true, true
	s := container.Workspace(p)
	s.Command = []string{"python3", "-c", fmt.Sprintf(reach, portOf(r.plain), "192.0.2.1")}
	_, err = d.Start(t.Context(), s)
	must(t, err)
	var log string
	enginetest.Await(t, "the last line", func() bool {
		log, err = d.Logs(t.Context(), p.Name, 50)
		return err == nil && strings.HasSuffix(strings.TrimSpace(log), "end")
	})
	for _, want := range []string{"plain the world, /a", `other 403 "unlisted.test:80" is not among the hosts`, `secret 403 "cloud.test" has an address that workspaces never reach`,
		"tls <urlopen error Tunnel connection failed: 403 Forbidden>", "past TimeoutError", "names gaierror"} {
		if !strings.Contains(log, want) {
			t.Errorf("inside, %q is not said:\n%s", want, log)
		}
	}
	if host, _, _ := net.SplitHostPort(r.address); net.ParseIP(host).IsLoopback() || net.ParseIP(host).IsUnspecified() {
		t.Errorf("the proxy listens at %s, not at its network's address alone", r.address)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
