package webhook

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// The label and the annotations that a pod's author sets, docs/kubernetes.md.
const (
	injectLabel = "sealcar/inject"

	imageKey          = "sealcar/image"
	logLevelKey       = "sealcar/log-level"
	strictKey         = "sealcar/strict"
	cpuKey            = "sealcar/cpu"
	memoryKey         = "sealcar/memory"
	memoryLimitKey    = "sealcar/memory-limit"
	configMapKey      = "sealcar/config-map"
	secretsKey        = "sealcar/secrets"
	skipContainersKey = "sealcar/skip-containers"
)

// The rest of our names that a pod may have: marks of the injector, and what other
// parts of the chart put on pods or look for.
const (
	keysKey      = "sealcar/keys"
	gatewayLabel = "sealcar/gateway"
)

// checkNames refuses labels and annotations of ours that there are none of: their
// author asks for something, misspelt, and would get the default in its place.
func checkNames(m Metadata) error {
	if err := checkKnown("label", m.Labels, []string{injectLabel, injectedLabel, gatewayLabel}, []string{injectLabel}); err != nil {
		return err
	}
	wanted := slices.Sorted(slices.Values(append(keys(), skipContainersKey)))
	return checkKnown("annotation", m.Annotations, append(slices.Clone(wanted), statusKey, injectedByKey, keysKey), wanted)
}

// checkKnown tells of the known ones those that are for a pod's author.
func checkKnown(what string, given map[string]string, known, told []string) error {
	for _, key := range slices.Sorted(maps.Keys(given)) {
		if strings.HasPrefix(key, "sealcar/") && !slices.Contains(known, key) {
			return fmt.Errorf("sealcar knows no %s %s of a pod; there is %s", what, key, strings.Join(told, ", "))
		}
	}
	return nil
}

// wishes are the annotations, read. Empty is what the settings say.
type wishes struct {
	image, logLevel, strict, cpu, memory, memoryLimit string

	configMap string
	secrets   []string
	skipped   []string // containers
}

// Form is what the value of an annotation has to look like.
type Form struct {
	Pattern *regexp.Regexp `json:"pattern"`
	Want    string         `json:"want"` // the same in words, behind "is not"
}

// keys are the annotations that have a form.
func keys() []string {
	return []string{imageKey, logLevelKey, strictKey, cpuKey, memoryKey, memoryLimitKey, configMapKey, secretsKey}
}

// readWishes reads a pod's annotations by their forms. Its errors are for the pod's author.
func readWishes(annotations map[string]string, forms map[string]Form) (wishes, error) {
	w := wishes{
		image: annotations[imageKey], logLevel: annotations[logLevelKey], strict: annotations[strictKey],
		cpu: annotations[cpuKey], memory: annotations[memoryKey], memoryLimit: annotations[memoryLimitKey],
		configMap: annotations[configMapKey],
		secrets:   words(annotations[secretsKey]),
		skipped:   append(words(annotations[skipContainersKey]), containerName),
	}
	for _, key := range keys() {
		text, set := annotations[key]
		if !set {
			continue
		}
		values, f := []string{text}, forms[key]
		if key == secretsKey {
			values = w.secrets
		}
		if slices.ContainsFunc(values, func(v string) bool { return !f.Pattern.MatchString(v) }) {
			return wishes{}, fmt.Errorf("annotation %s: %q is not %s", key, text, f.Want)
		}
	}
	return w, nil
}

// words are the parts of a list with commas.
func words(list string) []string {
	var found []string
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" && !slices.Contains(found, word) {
			found = append(found, word)
		}
	}
	return found
}
