package spawner

import (
	"maps"
	"strconv"
	"strings"

	"lectern/spawner/container"
)

// Labels of every container of a workspace.
const (
	LabelRealm      = "lectern.realm"     // the installation
	LabelWorkspace  = "lectern.workspace" // the row's id
	LabelGeneration = "lectern.generation"
)

// namePrefix and the row's id are a container's name.
const namePrefix = "lectern-"

// ContainerName is the same for every generation, so that the engine itself
// refuses a second container, and with it a second writer to the home.
func ContainerName(id string) string { return namePrefix + id }

// WorkspaceID is the id in a container's name; false for a name that is not a
// workspace's.
func WorkspaceID(name string) (id string, ok bool) { return strings.CutPrefix(name, namePrefix) }

// Template is the whole of the container of a row: what the plan gives, in the
// fixed form that every workspace of the realm has.
func Template(realm string, row Row, plan Plan) container.Spec {
	_, trial := TrialOf(row.ID) // that an image boots is what is tried
	return container.Workspace(container.Place{
		Name: ContainerName(row.ID), Image: row.starts(), Labels: row.labels(realm),
		User: plan.User, Home: plan.Home, Mounts: plan.Mounts, Env: maps.Clone(plan.Env), Token: row.Token, Limits: plan.Limits,
		Closed: plan.Closed, Proxied: plan.Proxied, Fresh: trial, WritableRoot: plan.WritableRoot, Runtime: plan.Runtime,
	})
}

func (row Row) labels(realm string) map[string]string {
	return map[string]string{
		LabelRealm: realm, LabelWorkspace: row.ID,
		LabelGeneration: strconv.FormatInt(row.Generation, 10),
	}
}
