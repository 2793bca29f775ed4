package container

import (
	"fmt"
	"path/filepath"

	"github.com/docker/docker/client"
)

// newClient prepares a connection to one engine without calling it yet. host is
// such as unix:///var/run/docker.sock or tcp://10.0.0.2:2376; empty asks
// DOCKER_HOST and its companions.
//
// certs is a directory with ca.pem, cert.pem and key.pem, as `lectern certs`
// makes them: the engine must then prove that it is what the address says, and
// this side proves who it is. Empty asks DOCKER_CERT_PATH.
func newClient(host, certs string) (*client.Client, error) {
	opts := []client.Opt{client.FromEnv, client.WithAPIVersionNegotiation()}
	if certs != "" {
		opts = append(opts, client.WithTLSClientConfig(
			filepath.Join(certs, "ca.pem"), filepath.Join(certs, "cert.pem"), filepath.Join(certs, "key.pem")))
	}
	if host != "" {
		opts = append(opts, client.WithHost(host))
	}
	c, err := client.NewClientWithOpts(opts...)
	if err != nil {
		return nil, fmt.Errorf("container: docker client: %w", err)
	}
	return c, nil
}
