package webhook

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// sidecar is the container, with its parts and what the pod wishes.
func sidecar(s *Settings, w wishes, parts []Part) object {
	var env, mounts []object
	for _, p := range parts {
		env = append(env, p.Env...)
		mounts = append(mounts, p.Mounts...)
	}
	for i, variable := range env {
		if w.logLevel != "" && nameOf(variable) == "SEALCAR_LOG_LEVEL" {
			env[i] = object{"name": nameOf(variable), "value": w.logLevel}
		}
	}
	if strict := cmp.Or(w.strict, s.Strict); strict != "" {
		env = append(env, object{"name": "SEALCAR_STRICT", "value": strict})
	}
	c := maps.Clone(s.Container)
	c["env"], c["volumeMounts"], c["resources"] = env, mounts, resources(c["resources"], w)
	if w.image != "" {
		c["image"] = w.image
	}
	return c
}

// resources are those of the container, but for what the pod wishes.
func resources(from any, w wishes) object {
	set, _ := from.(object)
	set = maps.Clone(set)
	for _, wish := range []struct{ list, resource, value string }{
		{"requests", "cpu", w.cpu},
		{"requests", "memory", w.memory},
		{"limits", "memory", w.memoryLimit},
	} {
		if wish.value == "" {
			continue
		}
		list, _ := set[wish.list].(object)
		if list = maps.Clone(list); list == nil {
			list = object{}
		}
		list[wish.resource] = wish.value
		set[wish.list] = list
	}
	return set
}

// addVolumes adds those of the parts. One of the pod's own by the same name
// would show the sidecar's files to whoever mounts it.
func addVolumes(own []object, parts []Part) ([]PatchOp, error) {
	var added []object
	for _, p := range parts {
		added = append(added, p.Volumes...)
	}
	taken := namesOf(own)
	for _, v := range added {
		if name := nameOf(v); taken[name] {
			return nil, fmt.Errorf("the pod has a volume %q of its own; give it another name", name)
		}
	}
	return []PatchOp{{"add", "/spec/volumes", slices.Concat(own, added)}}, nil
}

// addSidecar puts it in front, so that init containers can use it too.
func addSidecar(p *Pod, c object) []PatchOp {
	if len(p.Spec.InitContainers) == 0 {
		return []PatchOp{{"add", "/spec/initContainers", []object{c}}}
	}
	return []PatchOp{{"add", "/spec/initContainers/0", c}}
}

// mark leaves in the metadata that we were here.
func mark(p *Pod, injector string) []PatchOp {
	return slices.Concat(
		set("/metadata/annotations", p.Metadata.Annotations, map[string]string{statusKey: statusInjected, injectedByKey: injector}),
		set("/metadata/labels", p.Metadata.Labels, map[string]string{injectedLabel: "true"}))
}

func set(path string, members, added map[string]string) []PatchOp {
	if members == nil {
		return []PatchOp{{"add", path, added}}
	}
	var ops []PatchOp
	for _, key := range slices.Sorted(maps.Keys(added)) {
		ops = append(ops, PatchOp{"add", path + "/" + strings.ReplaceAll(key, "/", "~1"), added[key]})
	}
	return ops
}
