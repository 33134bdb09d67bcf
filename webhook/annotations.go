package webhook

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// The annotations that a pod's author sets, docs/kubernetes.md.
const (
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

// wishes are the annotations, read. Empty is what the settings say.
type wishes struct {
	image, logLevel, strict, cpu, memory, memoryLimit string

	configMap string
	secrets   []string
	skipped   []string // containers
}

// form is what the value of an annotation has to look like.
type form struct {
	pattern *regexp.Regexp
	want    string
}

// forms are those of the annotations. What passes may still be wrong: Kubernetes
// and the sidecar say so. What does not would come to light late, in a pod that
// does not start. A Secret's name becomes part of a volume's, a DNS label with 15
// characters in front.
func forms() map[string]form {
	quantity := form{regexp.MustCompile(`^[0-9]+(\.[0-9]+)?(m|k|M|G|Ki|Mi|Gi)?$`), "a quantity such as 50m or 64Mi"}
	return map[string]form{
		imageKey:       {regexp.MustCompile(`^[^\s]+$`), "the reference of an image"},
		logLevelKey:    {regexp.MustCompile(`^(debug|info|warn|error)$`), "debug, info, warn or error"},
		strictKey:      {regexp.MustCompile(`^(true|false)$`), "true or false"},
		cpuKey:         quantity,
		memoryKey:      quantity,
		memoryLimitKey: quantity,
		configMapKey:   {regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`), "the name of a ConfigMap"},
		secretsKey:     {regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,46}[a-z0-9])?$`), "names of Secrets, each without dots and of at most 48 characters"},
	}
}

// readWishes reads a pod's annotations. Its errors are for the pod's author.
func readWishes(annotations map[string]string) (wishes, error) {
	w := wishes{
		image: annotations[imageKey], logLevel: annotations[logLevelKey], strict: annotations[strictKey],
		cpu: annotations[cpuKey], memory: annotations[memoryKey], memoryLimit: annotations[memoryLimitKey],
		configMap: annotations[configMapKey],
		secrets:   words(annotations[secretsKey]),
		skipped:   append(words(annotations[skipContainersKey]), containerName),
	}
	for key, f := range forms() {
		values := []string{annotations[key]}
		if key == secretsKey {
			values = w.secrets
		}
		for _, value := range values {
			if _, set := annotations[key]; set && !f.pattern.MatchString(value) {
				return wishes{}, fmt.Errorf("annotation %s: %q is not %s", key, value, f.want)
			}
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
