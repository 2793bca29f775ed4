package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func newCerts(t *testing.T) (dir string, say func(cmd interface{ Run(*env) error }) (string, error)) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "certs")
	say = func(cmd interface{ Run(*env) error }) (string, error) {
		var out bytes.Buffer
		err := cmd.Run(&env{ctx: t.Context(), stdout: &out, stderr: io.Discard})
		return out.String(), err
	}
	if _, err := say(certsInitCmd{Dir: dir, Days: 825}); err != nil {
		t.Fatal(err)
	}
	return dir, say
}

// Both sides must prove who they are, and the engine that it is at the address
// that was dialled.
func TestCertificatesAreGoodForTheirAddressOnly(t *testing.T) {
	t.Parallel()
	dir, say := newCerts(t)
	if out, err := say(certsServerCmd{Dir: dir, Days: 825, Name: "machine1", Addresses: []string{"127.0.0.1", "machine1.internal"}}); err != nil || !strings.Contains(out, "good until") {
		t.Fatalf("server: %q, %v", out, err)
	}
	if _, err := say(certsServerCmd{Dir: dir, Days: 825, Name: "machine2", Addresses: []string{"10.9.9.9"}}); err != nil {
		t.Fatal(err)
	}
	other, _ := newCerts(t)

	for _, c := range []struct {
		name, server, client string
		good                 bool
	}{
		{"the machine at this address", dir + "/machine1", dir + "/client", true},
		{"another machine's certificate", dir + "/machine2", dir + "/client", false},
		{"a client of another authority", dir + "/machine1", other + "/client", false},
		{"a machine that poses as Lectern", dir + "/machine1", dir + "/machine1", false},
		{"nobody", dir + "/machine1", "", false},
	} {
		if err := handshake(t, c.server, c.client, dir+"/ca.pem"); (err == nil) != c.good {
			t.Errorf("%s: %v, want success %v", c.name, err, c.good)
		}
	}
}

func handshake(t *testing.T, server, client, ca string) error {
	t.Helper()
	pool := x509.NewCertPool()
	text, err := os.ReadFile(ca)
	if err != nil || !pool.AppendCertsFromPEM(text) {
		t.Fatalf("ca: %v", err)
	}
	load := func(cert, key string) []tls.Certificate {
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			t.Fatal(err)
		}
		return []tls.Certificate{pair}
	}
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		Certificates: load(server+"/server-cert.pem", server+"/server-key.pem")})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte("x")) // the handshake is done then
	}()
	config := &tls.Config{RootCAs: pool}
	switch {
	case strings.HasSuffix(client, "client"):
		config.Certificates = load(client+"/cert.pem", client+"/key.pem")
	case client != "":
		config.Certificates = load(client+"/server-cert.pem", client+"/server-key.pem")
	}
	c, err := tls.DialWithDialer(&net.Dialer{Timeout: 5 * time.Second}, "tcp", l.Addr().String(), config)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Read(make([]byte, 1)) // a client learns only now that it was refused
	return err
}

func TestCertificatesAreNotOverwrittenAndKeysAreClosed(t *testing.T) {
	t.Parallel()
	dir, say := newCerts(t)
	server := certsServerCmd{Dir: dir, Days: 30, Name: "machine1", Addresses: []string{"127.0.0.1"}}
	if _, err := say(server); err != nil {
		t.Fatal(err)
	}
	before := map[string]string{}
	read := func(into map[string]string) {
		for _, f := range []string{"ca.pem", "ca-key.pem", "client/key.pem", "machine1/server-key.pem"} {
			text, err := os.ReadFile(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			into[f] = string(text)
			info, err := os.Stat(filepath.Join(dir, f))
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "key.pem") && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, want 0600", f, info.Mode())
			}
		}
	}
	read(before)
	if _, err := say(certsInitCmd{Dir: dir, Days: 825}); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("a second init: %v, want a refusal", err)
	}
	if _, err := say(server); err == nil || !strings.Contains(err.Error(), "not overwritten") {
		t.Errorf("a second certificate of a machine: %v, want a refusal", err)
	}
	after := map[string]string{}
	read(after)
	for f := range before {
		if before[f] != after[f] {
			t.Errorf("%s was changed", f)
		}
	}
	for _, bad := range []certsServerCmd{
		{Dir: dir, Days: 30, Name: "../x", Addresses: []string{"127.0.0.1"}},
		{Dir: dir, Days: 30, Name: "client", Addresses: []string{"127.0.0.1"}},
		{Dir: dir, Days: 30, Name: "x", Addresses: []string{"tcp://10.0.0.1:2376"}},
		{Dir: dir, Days: 0, Name: "x", Addresses: []string{"127.0.0.1"}},
		{Dir: t.TempDir(), Days: 30, Name: "x", Addresses: []string{"127.0.0.1"}},
	} {
		if _, err := say(bad); err == nil {
			t.Errorf("%+v was made", bad)
		}
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(dir), ".certs-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestCertificatesShowWhenTheyExpire(t *testing.T) {
	t.Parallel()
	dir, say := newCerts(t)
	out, err := say(certsListCmd{Dir: dir})
	if err != nil || !strings.Contains(out, "client/cert.pem") || !strings.Contains(out, time.Now().Add(825*24*time.Hour).UTC().Format(time.DateOnly)) {
		t.Errorf("list: %v\n%s", err, out)
	}
	if strings.Count(out, "\n") != 3 {
		t.Errorf("want a head and two certificates:\n%s", out)
	}
	if _, err := say(certsServerCmd{Dir: dir, Days: 20, Name: "machine1", Addresses: []string{"10.0.0.11"}}); err != nil {
		t.Fatal(err)
	}
	if out, err := say(certsListCmd{Dir: dir}); err == nil || !strings.Contains(out, "machine1 10.0.0.11") {
		t.Errorf("one expires in 20 days: %v\n%s", err, out)
	}
}
