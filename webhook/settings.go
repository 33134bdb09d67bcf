package webhook

import (
	"errors"
	"fmt"
	"strings"

	"sealcar/filemode"
)

// maxSettings is what Kubernetes lets a ConfigMap hold.
const maxSettings = 1 << 20

// placeholder stands for the name of a ConfigMap or Secret in a Part.
const placeholder = "$(name)"

// Settings are what is added to pods, as charts/sealcar renders it
// (sealcar.injection). The objects are those of Kubernetes' API, unread.
type Settings struct {
	Name               string          `json:"name"`        // of the injector, in a cluster that may have several
	Annotations        map[string]Form `json:"annotations"` // what those of a pod have to look like
	ExcludedNamespaces []string        `json:"excludedNamespaces"`
	Container          object          `json:"container"` // the sidecar, without what the parts add
	Strict             string          `json:"strict"`    // SEALCAR_STRICT of the sidecar; "" leaves it to the configuration
	AppMounts          []object        `json:"appMounts"` // of the application's containers

	Always    Part `json:"always"`    // for every pod
	Inline    Part `json:"inline"`    // for pods that name no ConfigMap
	ConfigMap Part `json:"configMap"` // for those that do; $(name) is its name
	Secret    Part `json:"secret"`    // for each Secret that a pod names; $(name) is its name
}

// Part is what goes with one source of the sidecar's settings.
type Part struct {
	Env     []object `json:"env,omitempty"`     // of the sidecar
	Mounts  []object `json:"mounts,omitempty"`  // of the sidecar
	Volumes []object `json:"volumes,omitempty"` // of the pod
	AppEnv  []object `json:"appEnv,omitempty"`  // of the application's containers
}

// ReadSettings reads them from a file of JSON, in which an unknown key is an
// error.
func ReadSettings(path string) (*Settings, error) {
	text, err := filemode.ReadTrusted(path, maxSettings)
	if err != nil {
		return nil, fmt.Errorf("reading settings %w", err)
	}
	s := &Settings{}
	if err := decode(text, s, true); err != nil {
		return nil, fmt.Errorf("reading settings %q: %w", path, err)
	}
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("reading settings %q: %w", path, err)
	}
	return s, nil
}

// check refuses settings with which applications would talk past the sidecar.
func (s *Settings) check() error {
	for _, key := range keys() {
		if s.Annotations[key].Pattern == nil {
			return fmt.Errorf("annotations: no form of %s", key)
		}
	}
	switch {
	case s.Name == "":
		return errors.New("name: it is empty, so that no one could tell whose injection a pod has")
	case s.Container["name"] != containerName:
		return fmt.Errorf("container: its name is %q, want %q", s.Container["name"], containerName)
	case s.Container["restartPolicy"] != "Always":
		return errors.New("container: restartPolicy is not Always, so it is no sidecar")
	case len(s.Inline.AppEnv) == 0 || len(s.ConfigMap.AppEnv) == 0:
		return errors.New("appEnv: nothing would lead applications to the sidecar")
	}
	return nil
}

// named is the part with a name in place of the placeholder.
func (p Part) named(name string) Part {
	fill := func(list []object) []object {
		filled := make([]object, len(list))
		for i, o := range list {
			filled[i], _ = replaced(o, name).(object)
		}
		return filled
	}
	return Part{Env: fill(p.Env), Mounts: fill(p.Mounts), Volumes: fill(p.Volumes), AppEnv: p.AppEnv}
}

// replaced is a copy of value in which name stands for the placeholder.
func replaced(value any, name string) any {
	switch v := value.(type) {
	case string:
		return strings.ReplaceAll(v, placeholder, name)
	case object:
		filled := make(object, len(v))
		for key, inner := range v {
			filled[key] = replaced(inner, name)
		}
		return filled
	case []any:
		filled := make([]any, len(v))
		for i, inner := range v {
			filled[i] = replaced(inner, name)
		}
		return filled
	default:
		return value
	}
}
