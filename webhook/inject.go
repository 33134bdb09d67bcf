package webhook

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// PatchOp is one operation of a JSON Patch (RFC 6902).
type PatchOp struct {
	Op    string `json:"op"`
	Path  string `json:"path"` // JSON Pointer, RFC 6901
	Value any    `json:"value"`
}

// Spared tells why a pod of a namespace is let through as it is, "" if it is not,
// and whether its author may not expect that.
func Spared(p *Pod, namespace string, s *Settings) (reason string, told bool) {
	switch {
	case slices.Contains(s.ExcludedNamespaces, namespace):
		return "its namespace is excluded", false
	case p.Metadata.Labels[partOfLabel] == partOfOurs:
		return "it is a part of sealcar", false
	case p.Spec.HostNetwork:
		return "with hostNetwork its loopback is that of the node", true
	case p.hasSidecar() && !p.injectedBy(s.Name):
		return "it has a sidecar already, of its own or of another injector", true
	}
	return "", false
}

// Inject gives what makes a pod's containers go through a sidecar. Given a pod
// that it changed already, it gives what containers that others have added since
// still need, most often nothing. An error is for the pod's author: the pod asks
// for something that cannot be done.
func Inject(p *Pod, s *Settings) ([]PatchOp, error) {
	if err := checkNames(p.Metadata); err != nil {
		return nil, err
	}
	w, err := readWishes(p.Metadata.Annotations, s.Annotations)
	if err != nil {
		return nil, err
	}
	if err := check(p, w); err != nil {
		return nil, err
	}
	part := s.Inline
	if w.configMap != "" {
		part = s.ConfigMap.named(w.configMap)
	}
	// The indices are those of the pod as it came: the sidecar goes in front last.
	ops := slices.Concat(
		redirect("/spec/containers", p.Spec.Containers, w, part.AppEnv, s.AppMounts),
		redirect("/spec/initContainers", p.Spec.InitContainers, w, part.AppEnv, s.AppMounts))
	if p.injectedBy(s.Name) {
		return ops, nil
	}
	parts := []Part{s.Always, part}
	for _, name := range w.secrets {
		parts = append(parts, s.Secret.named(name))
	}
	volumes, err := addVolumes(p.Spec.Volumes, parts)
	if err != nil {
		return nil, err
	}
	return slices.Concat(ops, volumes, addSidecar(p, sidecar(s, w, parts)), mark(p, s.Name)), nil
}

// check refuses pods that could be given a sidecar only in part.
func check(p *Pod, w wishes) error {
	if value, set := p.Metadata.Labels[injectLabel]; set && value != "true" && value != "false" {
		return fmt.Errorf("label %s: %q is not true or false", injectLabel, value)
	}
	if p.Spec.OS.Name == "windows" {
		return fmt.Errorf("the pod is for Windows, which the sidecar is not; label it %s: \"false\"", injectLabel)
	}
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		if c.Name == containerName && !c.isSidecar() {
			return fmt.Errorf("the pod has a container named %q, as the sidecar is named; give it another name", c.Name)
		}
	}
	for _, c := range slices.Concat(p.Spec.Containers, p.Spec.InitContainers) {
		elsewhere := slices.ContainsFunc(c.Env, func(o object) bool { return nameOf(o) == javaToolOptions && o["valueFrom"] != nil })
		if elsewhere && !slices.Contains(w.skipped, c.Name) {
			return fmt.Errorf("container %q takes %s from elsewhere (valueFrom), so that the sidecar cannot add to it; give it a value, or name the container in %s",
				c.Name, javaToolOptions, skipContainersKey)
		}
	}
	return nil
}

// redirect makes containers use the sidecar and trust its CA. Variables of their
// own with our names are left out, for one could lead around the sidecar.
func redirect(path string, containers []Container, w wishes, env, mounts []object) []PatchOp {
	var ops []PatchOp
	mountNames := namesOf(mounts)
	for i, c := range containers {
		if slices.Contains(w.skipped, c.Name) {
			continue
		}
		at := path + "/" + strconv.Itoa(i)
		if changed := environment(c.Env, env); !reflect.DeepEqual(changed, c.Env) {
			ops = append(ops, PatchOp{"add", at + "/env", changed})
		}
		if changed := append(without(c.VolumeMounts, mountNames), mounts...); !reflect.DeepEqual(changed, c.VolumeMounts) {
			ops = append(ops, PatchOp{"add", at + "/volumeMounts", changed})
		}
	}
	return ops
}

// environment is a container's own with ours in front, so that variables of its own
// that refer to them, as $(HTTPS_PROXY), get their values. Its own options for the JVM
// stay where they are, for they may refer to what comes before; ours are appended,
// and of options the last wins.
func environment(own, ours []object) []object {
	named := func(o object) bool { return nameOf(o) == javaToolOptions }
	i := slices.IndexFunc(ours, named)
	if i < 0 {
		return append(slices.Clone(ours), without(own, namesOf(ours))...)
	}
	front, options := without(ours, map[string]bool{javaToolOptions: true}), ours[i]
	own = without(own, namesOf(front))
	if !slices.ContainsFunc(own, named) {
		front = append(front, options)
	}
	for j, o := range own {
		if named(o) {
			value, _ := o["value"].(string)
			added, _ := options["value"].(string)
			own[j] = object{"name": javaToolOptions, "value": appended(value, added)}
		}
	}
	return append(front, own...)
}

// appended is idempotent, as all of Inject is.
func appended(options, ours string) string {
	if strings.HasSuffix(options, ours) {
		return options
	}
	return options + " " + ours
}
