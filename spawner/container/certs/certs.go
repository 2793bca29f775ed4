// Package certs makes what Lectern and container engines on other machines show
// each other: an authority of the operator's own, a certificate for each engine
// and one for Lectern. It writes files and overwrites none; it knows nothing of
// engines.
package certs

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
	"time"
)

// The files of an authority's directory. What goes to one machine, or to
// Lectern, is a directory of its own with the names that Docker's options have.
const (
	caFile, caKeyFile = "ca.pem", "ca-key.pem"
	caLife            = 3650 * 24 * time.Hour
)

// Made is a certificate that was made or found.
type Made struct {
	Path    string   // of the directory made, or of the file found
	For     []string // names and addresses
	Expires time.Time
}

// Init makes dir with ca.pem, ca-key.pem and, good for so many days, client/: what
// Lectern shows to engines. dir must not be there, or be empty.
func Init(dir string, days int) (ca, client Made, err error) {
	if err := syscall.Rmdir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ca, client, fmt.Errorf("%s is there already and is not overwritten: every certificate it made would be refused", dir)
	}
	life, err := lifeOf(days, time.Now().Add(caLife))
	if err != nil {
		return ca, client, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return ca, client, err
	}
	about := certificate("Lectern engines", caLife)
	about.IsCA, about.BasicConstraintsValid, about.MaxPathLenZero = true, true, true
	about.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, about, about, key.Public(), key)
	if err != nil {
		return ca, client, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return ca, client, err
	}
	leaf := certificate("lectern", life)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	err = whole(dir, func(dir string) error {
		return errors.Join(writeKey(filepath.Join(dir, caKeyFile), key), writeCert(filepath.Join(dir, caFile), der),
			issue(authority{cert, key}, leaf, filepath.Join(dir, "client"), "cert.pem", "key.pem"))
	})
	return Made{filepath.Join(dir, caFile), nil, cert.NotAfter}, Made{filepath.Join(dir, "client"), nil, leaf.NotAfter}, err
}

var machineName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]{0,62}$`)

// Server makes dir/name with ca.pem, server-cert.pem and server-key.pem, for an
// engine that is reached under addresses: IP addresses and names, without ports.
func Server(dir, name string, addresses []string, days int) (Made, error) {
	if !machineName.MatchString(name) || name == "client" {
		return Made{}, fmt.Errorf("%q cannot be the name of a machine's directory", name)
	}
	ca, err := readAuthority(dir)
	if err != nil {
		return Made{}, err
	}
	life, err := lifeOf(days, ca.cert.NotAfter)
	if err != nil {
		return Made{}, err
	}
	leaf := certificate(name, life)
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, a := range addresses {
		switch ip := net.ParseIP(a); {
		case ip != nil:
			leaf.IPAddresses = append(leaf.IPAddresses, ip)
		case machineName.MatchString(a):
			leaf.DNSNames = append(leaf.DNSNames, a)
		default:
			return Made{}, fmt.Errorf("%q is neither an IP address nor a name; leave out ports and schemes", a)
		}
	}
	path := filepath.Join(dir, name)
	if _, err := os.Lstat(path); err == nil {
		return Made{}, fmt.Errorf("%s is there already and is not overwritten; to make a new one, move it away first", path)
	}
	err = whole(path, func(dir string) error { return issue(ca, leaf, dir, "server-cert.pem", "server-key.pem") })
	return Made{path, addresses, leaf.NotAfter}, err
}

// List is every certificate below dir, its paths relative to dir; of the
// authority's, not the copies.
func List(dir string) (list []Made, err error) {
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".pem" || strings.HasSuffix(path, "key.pem") {
			return err
		}
		cert, err := readCert(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil || cert.IsCA && rel != caFile {
			return err
		}
		whom := append([]string{cert.Subject.CommonName}, cert.DNSNames...)
		for _, ip := range cert.IPAddresses {
			whom = append(whom, ip.String())
		}
		list = append(list, Made{rel, whom, cert.NotAfter})
		return nil
	})
	return list, err
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
