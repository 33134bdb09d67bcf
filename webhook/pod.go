package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

// What of a pod says what was done to it, or shall be.
const (
	containerName   = "sealcar"
	statusKey       = "sealcar/status"
	statusInjected  = "injected"
	injectedByKey   = "sealcar/injected-by"
	injectedLabel   = "sealcar/injected" // for selectors, such as that of a PodMonitor
	partOfLabel     = "app.kubernetes.io/part-of"
	partOfOurs      = "sealcar"
	javaToolOptions = "JAVA_TOOL_OPTIONS"
)

// object is a part of a pod that is passed on as it is.
type object = map[string]any

// Pod is what of a v1.Pod matters here. Decode it with DecodePod.
type Pod struct {
	Metadata Metadata `json:"metadata"`
	Spec     Spec     `json:"spec"`
}

// Metadata is what of an ObjectMeta matters here. Its namespace does not: in a
// request for admission it may be empty yet.
type Metadata struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
}

// Spec is what of a PodSpec matters here.
type Spec struct {
	HostNetwork    bool        `json:"hostNetwork"`
	OS             OS          `json:"os"`
	InitContainers []Container `json:"initContainers"`
	Containers     []Container `json:"containers"`
	Volumes        []object    `json:"volumes"`
}

// OS is that of the nodes that a pod is for. Its name is most often empty.
type OS struct {
	Name string `json:"name"`
}

// Container is what of a container matters here.
type Container struct {
	Name          string   `json:"name"`
	RestartPolicy string   `json:"restartPolicy"` // of init containers
	Env           []object `json:"env"`
	VolumeMounts  []object `json:"volumeMounts"`
}

// isSidecar tells whether an init container is a sidecar of our name. Without
// restartPolicy Always it would be gone before the application starts.
func (c Container) isSidecar() bool {
	return c.Name == containerName && c.RestartPolicy == "Always"
}

// DecodePod reads a pod as an API server sends it.
func DecodePod(text []byte) (*Pod, error) {
	var p Pod
	if err := withinExtent(text); err != nil {
		return nil, fmt.Errorf("reading the pod: %w", err)
	}
	if err := decode(text, &p, false); err != nil {
		return nil, fmt.Errorf("reading the pod: %w", err)
	}
	return &p, nil
}

// decode reads one JSON document. Numbers stay as they are written.
func decode(text []byte, into any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after the document")
	}
	return nil
}

// hasSidecar tells whether there is a sidecar of our name.
func (p *Pod) hasSidecar() bool {
	return slices.ContainsFunc(p.Spec.InitContainers, Container.isSidecar)
}

// injectedBy tells whether the injector of a name was here before. The annotations
// alone do not say so: copied from another pod they would leave this one without its
// sidecar.
func (p *Pod) injectedBy(name string) bool {
	return p.Metadata.Annotations[statusKey] == statusInjected && p.Metadata.Annotations[injectedByKey] == name && p.hasSidecar()
}

// nameOf is the name of an environment variable, a mount or a volume.
func nameOf(o object) string {
	name, _ := o["name"].(string) // the API server has it a string
	return name
}

// without leaves out of list what has one of the names.
func without(list []object, names map[string]bool) []object {
	kept := make([]object, 0, len(list))
	for _, o := range list {
		if !names[nameOf(o)] {
			kept = append(kept, o)
		}
	}
	return kept
}

func namesOf(list []object) map[string]bool {
	names := make(map[string]bool, len(list))
	for _, o := range list {
		names[nameOf(o)] = true
	}
	return names
}
