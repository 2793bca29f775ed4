package container

import (
	"fmt"
	"maps"
)

// Spec is one container to start. What is not in it cannot be asked for: the
// driver drops all capabilities, forbids new privileges, never restarts, never
// publishes a port and keeps logs small, whatever the spec says.
type Spec struct {
	Name   string
	Image  string
	Labels map[string]string

	// Command replaces the image's entry point and command; empty keeps them.
	// {ip} and {port} in it become what the program must listen on.
	Command []string
	Env     map[string]string
	User    string // "uid:gid", numeric
	Dir     string // working directory

	Mounts []Mount
	// Secrets appear as files in [SecretsDir], readable by User only. They are
	// neither in the environment nor in the arguments, where anybody who may
	// inspect a container or list processes would see them.
	Secrets map[string]string
	Tmpfs   map[string]string // target to options, such as "size=256m"

	Port    int // the program listens here; 0: nobody dials it
	Limits  Limits
	Network bool // false: no network but its own loopback
	// Closed puts it on a network that has no way out: the host reaches it, and
	// it reaches the host alone. Proxied, its environment names a proxy that
	// listens there at ProxyPort.
	Closed  bool
	Proxied bool
	// Fresh has the program booted for this very start, never before: a [Pool]
	// gives none of its containers then.
	Fresh bool
	// WritableRoot lets the program write anywhere in its image, for images
	// that cannot live without; those writes end with the container.
	WritableRoot bool
	Runtime      string // such as "runsc"; empty is the engine's default
}

// Mount shows the directory From, below the data root, at To. A To inside
// another mount must already exist there: the engine would make it as root.
type Mount struct {
	From, To string
	Writable bool
}

// Limits bound one container. The zero value of a field takes its default from
// [DefaultLimits]; there is no way to say "unlimited".
type Limits struct {
	Memory      int64 // bytes, swap included
	Reservation int64 // bytes kept for it when the machine is short; at most Memory
	CPUs        float64
	PIDs        int64
	Tmp         int64 // bytes of /tmp; they count as memory
}

// DefaultLimits suit a class that uses pandas on small data.
var DefaultLimits = Limits{Memory: 1 << 30, Reservation: 512 << 20, CPUs: 1, PIDs: 256, Tmp: 256 << 20}

// Or fills the fields that are zero from other.
func (l Limits) Or(other Limits) Limits {
	if l.Memory == 0 {
		l.Memory = other.Memory
	}
	if l.Reservation == 0 {
		l.Reservation = min(other.Reservation, l.Memory)
	}
	if l.CPUs == 0 {
		l.CPUs = other.CPUs
	}
	if l.PIDs == 0 {
		l.PIDs = other.PIDs
	}
	if l.Tmp == 0 {
		l.Tmp = other.Tmp
	}
	return l
}

const (
	// SecretsDir is where a program finds its secrets.
	SecretsDir = "/run/secrets"
	// HomeDir is where a workspace's home is mounted, in every image.
	HomeDir = "/home/student"
	// ProxyPort is where a proxy to listed hosts listens, at the host's address
	// on the network without a way out. deploy/firewall lets nothing else through
	// to the host, so it is one that nothing else is likely to listen at.
	ProxyPort = 18293
	// JupyterPort is where Jupyter listens inside a workspace.
	JupyterPort = 8888
)

// Place is what differs between one student's workspace and another's.
type Place struct {
	Name   string
	Image  string
	Labels map[string]string
	User   string // "uid:gid"; empty is 1000:100
	Home   string // directory mounted read-write at HomeDir
	Mounts []Mount
	Token  string // Jupyter's
	Env    map[string]string
	Limits Limits

	Closed       bool // see [Spec]
	Proxied      bool
	Fresh        bool
	WritableRoot bool
	Runtime      string
}

// Workspace is the container of one student: JupyterLab on the student's home,
// in any image that has jupyter-lab on its PATH.
//
// Jupyter reads its token from a file by itself (JUPYTER_TOKEN_FILE), so that
// no shell, wrapper or package of ours is needed in the image and the token
// stands neither in the arguments nor in the environment.
//
// SQLite files and sockets live on tmpfs: on a home served by NFS their locks
// hang the kernel's start. Settings stay in the home, where students expect to
// find them again.
func Workspace(p Place) Spec {
	if p.User == "" {
		p.User = "1000:100"
	}
	env := map[string]string{
		"HOME":                          HomeDir,
		"SHELL":                         "/bin/bash",
		"LANG":                          "C.UTF-8",
		"IPYTHONDIR":                    "/tmp/ipython",
		"JUPYTER_RUNTIME_DIR":           "/tmp/jupyter/runtime",
		"JUPYTER_TOKEN_FILE":            SecretsDir + "/jupyter-token",
		"MPLCONFIGDIR":                  "/tmp/matplotlib",
		"PYTHONDONTWRITEBYTECODE":       "1",
		"PIP_DISABLE_PIP_VERSION_CHECK": "1",
	}
	maps.Copy(env, p.Env)
	limits := p.Limits.Or(DefaultLimits)
	return Spec{
		Name:   p.Name,
		Image:  p.Image,
		Labels: p.Labels,
		Command: []string{
			"jupyter-lab",
			"--no-browser",
			"--ServerApp.ip={ip}",
			"--ServerApp.port={port}",
			"--ServerApp.port_retries=0",
			"--ServerApp.root_dir=" + HomeDir,
			// The proxy in front has checked the host and who is asking.
			"--ServerApp.allow_remote_access=True",
			"--ServerApp.quit_button=False",
			"--NotebookNotary.db_file=/tmp/nbsignatures.db",
			"--BaseFileIdManager.db_path=/tmp/file_id_manager.db",
		},
		Env:          env,
		User:         p.User,
		Dir:          HomeDir,
		Mounts:       append([]Mount{{From: p.Home, To: HomeDir, Writable: true}}, p.Mounts...),
		Secrets:      map[string]string{"jupyter-token": p.Token},
		Tmpfs:        map[string]string{"/tmp": fmt.Sprintf("rw,exec,nosuid,nodev,mode=1777,size=%d", limits.Tmp)},
		Port:         JupyterPort,
		Limits:       limits,
		Network:      true,
		Closed:       p.Closed,
		Proxied:      p.Proxied,
		Fresh:        p.Fresh,
		WritableRoot: p.WritableRoot,
		Runtime:      p.Runtime,
	}
}
