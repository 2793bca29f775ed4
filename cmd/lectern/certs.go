package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"
)

// certsCmd makes what Lectern and container engines on other machines show each
// other: see docs/swarm.md.
type certsCmd struct {
	Init   certsInitCmd   `cmd:"" help:"Make an authority of your own, and the certificate that Lectern shows to engines."`
	Server certsServerCmd `cmd:"" help:"Make the certificate of one machine's engine."`
	List   certsListCmd   `cmd:"" help:"Show every certificate, for whom it is and when it expires."`
}

// The files of an authority's directory. What goes to one machine, or to
// Lectern, is a directory of its own with the names that Docker's options have.
const (
	caFile, caKeyFile = "ca.pem", "ca-key.pem"
	caLife            = 3650 * 24 * time.Hour
	expiresSoon       = 30 * 24 * time.Hour
)

type certsInitCmd struct {
	Dir  string `required:"" placeholder:"DIR" help:"A new directory. Its ca-key.pem can make new certificates: keep it off the machines."`
	Days int    `default:"825" help:"Days that Lectern's own certificate is good for; the authority's is good for ten years."`
}

// Run makes DIR with ca.pem, ca-key.pem and client/.
func (c certsInitCmd) Run(e *env) error {
	if err := syscall.Rmdir(c.Dir); err != nil && !errors.Is(err, fs.ErrNotExist) { // an empty one is fine
		return fmt.Errorf("%s is there already and is not overwritten: every certificate it made would be refused", c.Dir)
	}
	life, err := lifeOf(c.Days, time.Now().Add(caLife))
	if err != nil {
		return err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	about := certificate("Lectern engines", caLife)
	about.IsCA, about.BasicConstraintsValid, about.MaxPathLenZero = true, true, true
	about.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return err
	}
	ca, err := x509.ParseCertificate(der)
	if err != nil {
		return err
	}
	return whole(c.Dir, func(dir string) error {
		if err := errors.Join(writeKey(filepath.Join(dir, caKeyFile), key), writeCert(filepath.Join(dir, caFile), der)); err != nil {
			return err
		}
		leaf := certificate("lectern", life)
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
		if err := issue(authority{ca, key}, leaf, filepath.Join(dir, "client"), "cert.pem", "key.pem"); err != nil {
			return err
		}
		fmt.Fprintf(e.stdout, "made %s, good until %s\nmade %s, good until %s\n", filepath.Join(c.Dir, caFile), day(ca.NotAfter),
			filepath.Join(c.Dir, "client"), day(leaf.NotAfter))
		return nil
	})
}

type certsServerCmd struct {
	Dir       string   `required:"" placeholder:"DIR" help:"The directory that init made."`
	Days      int      `default:"825" help:"Days that it is good for."`
	Name      string   `arg:"" help:"What the machine is called; the new directory's name."`
	Addresses []string `arg:"" help:"IP addresses and names under which Lectern reaches the machine."`
}

var machineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

// Run makes DIR/NAME with ca.pem, server-cert.pem and server-key.pem.
func (c certsServerCmd) Run(e *env) error {
	if !machineName.MatchString(c.Name) || c.Name == "client" {
		return fmt.Errorf("%q cannot be the name of a machine's directory", c.Name)
	}
	ca, err := readAuthority(c.Dir)
	if err != nil {
		return err
	}
	life, err := lifeOf(c.Days, ca.cert.NotAfter)
	if err != nil {
		return err
	}
	leaf := certificate(c.Name, life)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, a := range c.Addresses {
		switch ip := net.ParseIP(a); {
		case ip != nil:
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		case machineName.MatchString(a):
			leaf.DNSNames = append(leaf.DNSNames, a)
		default:
			return fmt.Errorf("%q is neither an IP address nor a name; leave out ports and schemes", a)
		}
	}
	dir := filepath.Join(c.Dir, c.Name)
	if _, err := os.Lstat(dir); err == nil {
		return fmt.Errorf("%s is there already and is not overwritten; to make a new one, move it away first", dir)
	}
	if err := whole(dir, func(dir string) error { return issue(ca, leaf, dir, "server-cert.pem", "server-key.pem") }); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "made %s for %s, good until %s\n", dir, strings.Join(c.Addresses, ", "), day(leaf.NotAfter))
	return nil
}

type certsListCmd struct {
	Dir string `required:"" placeholder:"DIR" help:"A directory of certificates."`
}

// Run ends with an error if a certificate expires within 30 days, so that a
// scheduler can run it.
func (c certsListCmd) Run(e *env) error {
	w := tabwriter.NewWriter(e.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "FILE\tFOR\tEXPIRES\tDAYS LEFT")
	soon, now := 0, time.Now()
	err := filepath.WalkDir(c.Dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".pem" || strings.HasSuffix(path, "key.pem") {
			return err
		}
		cert, err := readCert(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(c.Dir, path)
		if err != nil || cert.IsCA && rel != caFile { // copies beside the others
			return err
		}
		whom := append([]string{cert.Subject.CommonName}, cert.DNSNames...)
		for _, ip := range cert.IPAddresses {
			whom = append(whom, ip.String())
		}
		left := cert.NotAfter.Sub(now)
		if left < expiresSoon {
			soon++
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\n", rel, strings.Join(whom, " "), day(cert.NotAfter), int(left.Hours()/24))
		return nil
	})
	if err := errors.Join(err, w.Flush()); err != nil {
		return err
	}
	if soon > 0 {
		return fmt.Errorf("%d certificates have expired or will within 30 days", soon)
	}
	return nil
}

// authority signs.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func readAuthority(dir string) (authority, error) {
	pair, err := tls.LoadX509KeyPair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
	if err != nil {
		return authority{}, fmt.Errorf("no authority in %s: make one with lectern certs init: %w", dir, err)
	}
	key, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok || !pair.Leaf.IsCA {
		return authority{}, fmt.Errorf("%s is not an authority that lectern certs init made", dir)
	}
	return authority{pair.Leaf, key}, nil
}

// issue makes dir with the authority's certificate, a new one of its own and the key.
func issue(ca authority, about *x509.Certificate, dir, certName, keyName string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	about.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, about, ca.cert, key.Public(), ca.key)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return errors.Join(writeCert(filepath.Join(dir, caFile), ca.cert.Raw),
		writeCert(filepath.Join(dir, certName), der), writeKey(filepath.Join(dir, keyName), key))
}

func certificate(name string, life time.Duration) *x509.Certificate {
	serial := make([]byte, 16)
	rand.Read(serial)
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-5 * time.Minute), NotAfter: now.Add(life),
	}
}

// lifeOf is how long a certificate is good for: never longer than who signed it.
func lifeOf(days int, end time.Time) (time.Duration, error) {
	life := time.Duration(days) * 24 * time.Hour
	if days < 1 || life > caLife {
		return 0, fmt.Errorf("%d is not between 1 and %d days", days, int(caLife.Hours()/24))
	}
	if left := time.Until(end); left < life {
		life = left
	}
	if life <= 0 {
		return 0, errors.New("the authority has expired: make a new one with lectern certs init in another directory")
	}
	return life, nil
}

// whole makes dir with all that fill puts into it, or not at all.
func whole(dir string, fill func(dir string) error) error {
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".certs-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := fill(temp); err != nil {
		return err
	}
	return os.Rename(temp, dir)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der, 0o600)
}

func writeCert(path string, der []byte) error { return writePEM(path, "CERTIFICATE", der, 0o644) }

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	return errors.Join(pem.Encode(f, &pem.Block{Type: kind, Bytes: der}), f.Sync(), f.Close())
}

func readCert(path string) (*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE" {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return x509.ParseCertificate(block.Bytes)
}

func day(t time.Time) string { return t.UTC().Format(time.DateOnly) }
