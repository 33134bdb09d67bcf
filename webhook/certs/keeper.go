package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
)

// Durations of a Keeper where its owner sets none.
const (
	DefaultLifetime = 90 * 24 * time.Hour
	DefaultInterval = time.Minute
)

// firstInterval is that of the looks until the first one has succeeded.
const firstInterval = time.Second

// Options are what a Keeper works with.
type Options struct {
	Cluster       *Cluster
	Namespace     string   // of the Secret
	Secret        string   // its name; it has to exist, and may be empty
	Configuration string   // the name of the MutatingWebhookConfiguration
	Names         []string // that API servers call the webhook by, SERVICE.NAMESPACE.svc; at least one

	Lifetime time.Duration // of a certificate; it is replaced when a third of that is left; 0: DefaultLifetime
	Interval time.Duration // between two looks; 0: DefaultInterval
	Now      func() time.Time
	Log      zerolog.Logger
}

// Keeper keeps a certificate in a Secret and its authority in a
// MutatingWebhookConfiguration. Make it with NewKeeper, and Run it.
type Keeper struct {
	o     Options
	shown atomic.Pointer[tls.Certificate] // nil until the first look succeeds

	// registered are the authorities that API servers could know of at the look
	// before: another replica may have told them a moment before this one. Look's own.
	registered []byte
}

// NewKeeper makes a Keeper.
func NewKeeper(o Options) (*Keeper, error) {
	if len(o.Names) == 0 || o.Namespace == "" || o.Secret == "" || o.Configuration == "" {
		return nil, errors.New("a certificate of one's own needs names, a namespace, a Secret and a MutatingWebhookConfiguration")
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	if o.Interval == 0 {
		o.Interval = DefaultInterval
	}
	if o.Lifetime < 6*o.Interval {
		return nil, fmt.Errorf("certificates that live for %s cannot be changed in time by looking every %s: at least six times that is needed", o.Lifetime, o.Interval)
	}
	return &Keeper{o: o}, nil
}

// Run looks at once and then from time to time, until ctx ends. What goes wrong
// is logged; what is shown stays.
func (k *Keeper) Run(ctx context.Context) {
	defer k.o.Cluster.close()
	for {
		if err := k.Look(ctx); err != nil && ctx.Err() == nil {
			k.o.Log.Error().Err(err).Msg("the webhook's certificate could not be looked after; trying again")
		}
		pause := k.o.Interval
		if k.shown.Load() == nil {
			pause = min(pause, firstInterval)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// Certificate is the one to show.
func (k *Keeper) Certificate() (*tls.Certificate, error) {
	if c := k.shown.Load(); c != nil {
		return c, nil
	}
	return nil, errors.New("there is no certificate yet")
}

// Ready tells why API servers could not call yet.
func (k *Keeper) Ready() error {
	_, err := k.Certificate()
	return err
}

// Look sees to it that there is a certificate with time left, that API servers
// trust its authority, and then that it is the one that is shown. Only one look may
// be under way.
//
// The configuration is read before the Secret and written after it, from what was
// read: a replica that reads an old Secret cannot take back what one that has
// replaced it has written there meanwhile.
func (k *Keeper) Look(ctx context.Context) error {
	var found configuration
	if err := k.o.Cluster.get(ctx, k.configurationPath(), &found); err != nil {
		return err
	}
	m, pair, err := k.keep(ctx)
	if err != nil {
		return err
	}
	known, err := k.register(ctx, found, m.authorities)
	if err != nil {
		return err
	}
	known = known && bytes.Equal(k.registered, m.authorities)
	k.registered = m.authorities
	shown := k.shown.Load()
	if shown != nil && bytes.Equal(shown.Certificate[0], pair.Certificate[0]) {
		return nil
	}
	if shown != nil && !known && m.vouchesFor(shown.Leaf, k.o.Now()) {
		return nil // API servers may not have seen the new authority yet: at the next look
	}
	k.shown.Store(pair)
	k.o.Log.Info().Time("not_after", pair.Leaf.NotAfter).Msg("the webhook has a certificate")
	return nil
}

// secret is what of a v1.Secret matters here. It must not be logged.
type secret struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Data map[string][]byte `json:"data"`
}

func (s secret) material() material {
	return material{chain: s.Data["tls.crt"], key: s.Data["tls.key"], authorities: s.Data["ca.crt"]}
}

// keep gives what is in the Secret, or puts something better there. If another
// replica is quicker, the API server refuses ours, and the next look finds theirs.
func (k *Keeper) keep(ctx context.Context) (material, *tls.Certificate, error) {
	path := "/api/v1/namespaces/" + k.o.Namespace + "/secrets/" + k.o.Secret
	var found secret
	if err := k.o.Cluster.get(ctx, path, &found); err != nil {
		return material{}, nil, err
	}
	now := k.o.Now()
	m := found.material()
	pair, bad := m.pair(k.o.Names, now)
	if bad == nil && pair.Leaf.NotAfter.Sub(now) > k.o.Lifetime/3 {
		return m, pair, nil
	}
	// Of the authorities only the latest is still of use: its certificate is shown.
	next, err := newMaterial(k.o.Names, now, k.o.Lifetime, m.first(1))
	if err != nil {
		return material{}, nil, err
	}
	change := object{
		"metadata": object{"resourceVersion": found.Metadata.ResourceVersion},
		"data":     map[string][]byte{"tls.crt": next.chain, "tls.key": next.key, "ca.crt": next.authorities},
	}
	if err := k.o.Cluster.patch(ctx, path, change, &found); err != nil {
		return material{}, nil, err
	}
	k.o.Log.Info().AnErr("former", bad).Msg("a new certificate was made for the webhook")
	pair, err = next.pair(k.o.Names, now)
	return next, pair, err
}

type object = map[string]any

// configuration is what of a MutatingWebhookConfiguration matters here.
type configuration struct {
	Metadata struct {
		ResourceVersion string `json:"resourceVersion"`
	} `json:"metadata"`
	Webhooks []struct {
		Name         string `json:"name"`
		ClientConfig struct {
			CABundle []byte `json:"caBundle"`
		} `json:"clientConfig"`
	} `json:"webhooks"`
}

func (k *Keeper) configurationPath() string {
	return "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + k.o.Configuration
}

// register makes API servers trust the authorities, and tells whether they did
// before.
func (k *Keeper) register(ctx context.Context, found configuration, authorities []byte) (known bool, err error) {
	var stale []object
	for _, w := range found.Webhooks {
		if !bytes.Equal(w.ClientConfig.CABundle, authorities) {
			stale = append(stale, object{"name": w.Name, "clientConfig": object{"caBundle": authorities}})
		}
	}
	if len(stale) == 0 {
		return true, nil
	}
	change := object{"metadata": object{"resourceVersion": found.Metadata.ResourceVersion}, "webhooks": stale}
	if err := k.o.Cluster.patch(ctx, k.configurationPath(), change, &found); err != nil {
		return false, err
	}
	k.o.Log.Info().Int("webhooks", len(stale)).Msg("API servers were told of the webhook's authority")
	return false, nil
}
