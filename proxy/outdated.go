package proxy

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// change is something that may be changed while the proxy runs: the configuration,
// or a file of the data port. Probes and scrapers look at all of them, so that a
// mistake is known before a client meets it.
type change struct {
	setting string
	refused func() bool // whether what it is now cannot be used
	told    string      // of that; never the error, for the admin port asks nobody who they are
}

func fileChange[T any](setting string, get func() (T, error), told string) change {
	return change{setting, func() bool { _, err := get(); return err != nil }, told}
}

func (p *Proxy) configChange() change {
	return change{"config", p.outdated.Load, "the new configuration is not valid and the one before stays in force: the log names the mistakes"}
}

// refusedChanges tells of all that cannot be used, "" if there is none.
func (p *Proxy) refusedChanges() string {
	var told []string
	for _, c := range p.changes {
		if c.refused() {
			told = append(told, c.told)
		}
	}
	return strings.Join(told, "; ")
}

// collectChanges makes a gauge of each. A state and not a count: the alert about it
// stays until it is mended.
func (p *Proxy) collectChanges() {
	for _, c := range p.changes {
		p.metrics.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name:        "sealcar_change_refused",
			Help:        "1 while the configuration (config), or a file that the setting names, has changed and what it is now cannot be used.",
			ConstLabels: prometheus.Labels{"setting": c.setting},
		}, func() float64 {
			if c.refused() {
				return 1
			}
			return 0
		}))
	}
}
