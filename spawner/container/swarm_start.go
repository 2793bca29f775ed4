package container

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/swarm"
	"github.com/docker/docker/client"
)

// lookAgain is the pace at which the managers are asked for what is under way.
const lookAgain = 50 * time.Millisecond

// Start implements [Engine]. The service's name exists once in a swarm. It is
// not made while any task of that name may still run somewhere, so that a home
// never has two writers.
func (w *Swarm) Start(ctx context.Context, s Spec) (Running, error) {
	ctx, done := bounded(ctx, change)
	defer done()
	if _, _, err := parseUser(s.User); err != nil {
		return Running{}, err
	}
	switch {
	case s.Runtime != "":
		return Running{}, refused(s.Name, "choose a runtime: make it the default of the machines")
	case !s.Network:
		return Running{}, refused(s.Name, "run it without a network")
	case s.Closed:
		return Running{}, refused(s.Name, "close its network")
	}
	api, err := w.manager.api(ctx)
	if err != nil {
		return Running{}, err
	}
	// The site answers before the first look at the swarm is through.
	if !w.ensured.Load() {
		if err := w.Ensure(ctx); err != nil {
			return Running{}, err
		}
	}
	for range 3 {
		got, err := w.try(ctx, api, s)
		if !errors.Is(err, errElsewhere) {
			return got, err
		}
	}
	return Running{}, fmt.Errorf("container: start %s: %w", s.Name, ErrNoRoom)
}

// errElsewhere says that the chosen machine was taken or lost meanwhile.
var errElsewhere = errors.New("another machine is to be chosen")

func (w *Swarm) try(ctx context.Context, api *client.Client, s Spec) (Running, error) {
	v, err := w.see(ctx, api, "")
	if err != nil {
		return Running{}, err
	}
	if _, there := w.status(v, s.Name); there {
		return w.await(ctx, api, s, false)
	}
	mounts, err := w.mounts(s)
	if err != nil {
		return Running{}, err
	}
	if s.Image, err = w.pin(ctx, api, s.Image); err != nil {
		return Running{}, err
	}
	node, err := w.place(v, s)
	if err != nil {
		return Running{}, err
	}
	secrets, err := w.secretsOf(ctx, api, &s)
	if err != nil {
		return Running{}, err
	}
	overlay := ""
	if w.options.Overlay {
		overlay = w.options.Docker.Network
	}
	_, err = api.ServiceCreate(ctx, service(s, overlay, node, mounts, secrets), swarm.ServiceCreateOptions{})
	if err != nil {
		// The managers may have made it and only failed to say so; then its
		// secrets stay until the service goes, by label.
		if err = w.manager.wrap(ctx, "create", s.Name, err); !errors.Is(err, ErrEngineDown) {
			w.forget(s.Labels)
		}
		if !errors.Is(err, ErrConflict) && !strings.Contains(err.Error(), "name conflicts") {
			return Running{}, err
		}
		return w.await(ctx, api, s, false)
	}
	return w.await(ctx, api, s, true)
}

// await follows a service until its program runs; made says that this call made
// it. What a machine refuses to run is removed, and says why.
func (w *Swarm) await(ctx context.Context, api *client.Client, s Spec, made bool) (Running, error) {
	conflict := func(why string) (Running, error) {
		return Running{}, fmt.Errorf("container: start %s: %s: %w", s.Name, why, ErrConflict)
	}
	for {
		v, err := w.see(ctx, api, s.Name)
		if err != nil {
			return Running{}, err
		}
		now, there := w.status(v, s.Name)
		t, _ := w.latest(v, s.Name)
		switch {
		case !there:
			return conflict("it is being removed")
		case !has(now.Labels, w.asked(s.Labels)):
			return conflict("another has the name")
		case now.Contact != Reached:
			return conflict("its machine is out of reach")
		case now.Phase == Up && now.Addr != "":
			return Running{ID: now.ID, Addr: now.Addr}, nil
		case t.Status.State == swarm.TaskStateRejected:
			err = w.reason(s, t.Status.Err)
		case now.Phase == Exited && made:
			return Running{ID: now.ID}, nil
		case now.Phase == Exited:
			return conflict("it has ended")
		case t.Status.State == swarm.TaskStatePending && t.Status.Err != "":
			err = errElsewhere
		}
		if err != nil {
			w.discard(s.Name)
			return Running{}, err
		}
		select {
		case <-ctx.Done():
			return conflict("it is still " + string(t.Status.State))
		case <-time.After(lookAgain):
		}
	}
}

// asked are the labels that tell one start from another; those added on the way
// differ between two who start the same.
func (w *Swarm) asked(labels map[string]string) map[string]string {
	out := maps.Clone(labels)
	delete(out, secretsLabel)
	return out
}

// reason gives what a machine said when it refused a task its kind.
func (w *Swarm) reason(s Spec, text string) error {
	kind := errors.New("the machine refused it")
	switch {
	case strings.Contains(text, "No such image"), strings.Contains(text, "pull access denied"):
		kind = ErrImageMissing
	case strings.Contains(text, "bind source path does not exist"), strings.Contains(text, "error mounting"), strings.Contains(text, "failed to mount"):
		kind = ErrMount
	case strings.Contains(text, "executable file not found"):
		kind = ErrNoProgram
	}
	return fmt.Errorf("container: start %s: %w: %s", s.Name, kind, text)
}

// mounts checks that the directories are on the shared mount and there. That
// each machine has it mounted too, the machine finds out.
func (w *Swarm) mounts(s Spec) ([]mount.Mount, error) {
	if w.options.Volume == nil {
		return w.manager.mounts(s)
	}
	var list []mount.Mount
	for _, m := range s.Mounts {
		data := w.options.Docker.Data
		if _, err := data.Translate(m.From); err != nil {
			return nil, err
		}
		if info, err := os.Lstat(m.From); err != nil || !info.IsDir() {
			return nil, fmt.Errorf("%w: %s is not a directory", ErrMount, m.From)
		}
		rel, err := filepath.Rel(data.Inside, m.From)
		if err != nil {
			return nil, err
		}
		list = append(list, w.options.Volume.volume(rel, m.To, m.Writable))
	}
	return list, nil
}

// secretsOf makes one secret of the swarm for each of s, new at each try, and
// completes the labels of s.
func (w *Swarm) secretsOf(ctx context.Context, api *client.Client, s *Spec) (list []*swarm.SecretReference, err error) {
	uid, gid, _ := strings.Cut(s.User, ":")
	group := strings.ToLower(rand.Text()[:16])
	labels := maps.Clone(s.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[nameLabel], labels[secretsLabel] = s.Name, group
	if s.Port != 0 {
		labels[PortLabel] = strconv.Itoa(s.Port)
	}
	s.Labels = labels
	for i, file := range slices.Sorted(maps.Keys(s.Secrets)) {
		name := "lectern-" + group + "-" + strconv.Itoa(i)
		made, err := api.SecretCreate(ctx, swarm.SecretSpec{
			Annotations: swarm.Annotations{Name: name, Labels: map[string]string{secretsLabel: group}}, Data: []byte(s.Secrets[file])})
		if err != nil {
			w.forget(labels)
			return nil, w.manager.wrap(ctx, "make a secret of", s.Name, err)
		}
		list = append(list, &swarm.SecretReference{SecretID: made.ID, SecretName: name,
			File: &swarm.SecretReferenceFileTarget{Name: file, UID: uid, GID: gid, Mode: 0o400}})
	}
	return list, nil
}

// Stop implements [Engine]. The service is bound to no machine: its task ends
// and stays readable until Remove. The grace is the service's own.
func (w *Swarm) Stop(ctx context.Context, name string, grace time.Duration) error {
	ctx, done := bounded(ctx, grace+change)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return err
	}
	return w.stop(ctx, api, name)
}

func (w *Swarm) stop(ctx context.Context, api *client.Client, name string) error {
	for {
		v, err := w.see(ctx, api, name)
		if err != nil {
			return err
		}
		running := false
		for _, t := range v.tasks[name] {
			if !w.mayRun(v, t) {
				continue
			}
			running = true
			if w.contact(v, t) == Unreachable {
				return fmt.Errorf("container: stop %s: its machine is out of reach: %w", name, ErrEngineDown)
			}
		}
		s, there := v.services[name]
		if there && !stopped(s) {
			s.Spec.TaskTemplate.Placement = &swarm.Placement{Constraints: []string{stoppedConstraint}}
			_, err := api.ServiceUpdate(ctx, s.ID, s.Version, s.Spec, swarm.ServiceUpdateOptions{})
			// Somebody else may have been quicker, or have removed it.
			if err != nil && !errdefs.IsNotFound(err) && !strings.Contains(err.Error(), "out of sequence") {
				return w.manager.wrap(ctx, "stop", name, err)
			}
		} else if !running {
			return nil
		}
		select {
		case <-ctx.Done():
			return w.manager.wrap(ctx, "stop", name, ctx.Err())
		case <-time.After(lookAgain):
		}
	}
}

// Remove implements [Engine]. It returns once nothing runs any more, which is
// what makes the name free; only on a lost machine is that taken on trust.
func (w *Swarm) Remove(ctx context.Context, name string) error {
	ctx, done := bounded(ctx, stopGrace+change)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil {
		return err
	}
	if err := w.stop(ctx, api, name); err != nil {
		return err
	}
	v, err := w.see(ctx, api, name)
	if err != nil {
		return err
	}
	s, there := v.services[name]
	if !there {
		return nil
	}
	// By id: meanwhile the name may have gone to a new service.
	if err := api.ServiceRemove(ctx, s.ID); err != nil && !errdefs.IsNotFound(err) {
		return w.manager.wrap(ctx, "remove", name, err)
	}
	w.forget(s.Spec.Labels)
	return nil
}

// discard removes what a failed start left behind, even if the caller is gone.
func (w *Swarm) discard(name string) {
	ctx, done := context.WithTimeout(context.Background(), change)
	defer done()
	if err := w.Remove(ctx, name); err != nil {
		w.log.Warn("a failed service could not be removed", "name", name, "err", err)
	}
}

// forget removes the secrets of a service by its labels, even if the caller is
// gone; what it cannot remove, the next sweep does.
func (w *Swarm) forget(labels map[string]string) {
	ctx, done := context.WithTimeout(context.Background(), quick)
	defer done()
	api, err := w.manager.api(ctx)
	if err != nil || labels[secretsLabel] == "" {
		return
	}
	found, err := api.SecretList(ctx, swarm.SecretListOptions{Filters: byLabel(map[string]string{secretsLabel: labels[secretsLabel]})})
	for _, s := range found {
		err = errors.Join(err, api.SecretRemove(ctx, s.ID))
	}
	if err != nil && !errdefs.IsNotFound(err) {
		w.log.Debug("secrets could not be removed yet", "err", err)
	}
}
