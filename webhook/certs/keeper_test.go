package certs_test

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"sealcar/webhook/certs"
)

const (
	name     = "webhook.sealcar-system.svc"
	lifetime = 90 * time.Hour
)

// clock is moved by hand.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func options(t *testing.T, a *apiServer, c *clock) certs.Options {
	t.Helper()
	return certs.Options{
		Cluster: a.cluster(t), Namespace: "sealcar-system", Secret: "webhook-tls", Configuration: "injector", Names: []string{name},
		Lifetime: lifetime, Now: c.Now, Log: zerolog.Nop(),
	}
}

// newKeeper is a replica.
func newKeeper(t *testing.T, a *apiServer, c *clock) *certs.Keeper {
	t.Helper()
	k, err := certs.NewKeeper(options(t, a, c))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // Run gives back its connections
		ended, end := context.WithCancel(context.Background())
		end()
		k.Run(ended)
	})
	return k
}

func look(t *testing.T, k *certs.Keeper) {
	t.Helper()
	if err := k.Look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// serial tells certificates apart.
func serial(t *testing.T, k *certs.Keeper) string {
	t.Helper()
	c, err := k.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	return c.Leaf.SerialNumber.String()
}

// trusted fails if the API server would not call by what replicas show now.
func (a *apiServer) trusted(t *testing.T, now time.Time, replicas ...*certs.Keeper) {
	t.Helper()
	a.with(func() {
		for hook, bundle := range a.bundles {
			pool := x509.NewCertPool()
			pool.AppendCertsFromPEM(bundle)
			for i, k := range replicas {
				c, err := k.Certificate()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := c.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: name, CurrentTime: now}); err != nil {
					t.Errorf("%s, replica %d: %v", hook, i, err)
				}
			}
		}
	})
}

func (a *apiServer) count(t *testing.T, want int) {
	t.Helper()
	a.with(func() {
		if a.patches != want {
			t.Errorf("%d changes, want %d", a.patches, want)
		}
	})
}

func TestReplicasShareACertificate(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	first, second := newKeeper(t, a, c), newKeeper(t, a, c)
	if first.Ready() == nil {
		t.Error("ready before the first look")
	}
	look(t, first)
	look(t, second)
	look(t, first)
	if err := first.Ready(); err != nil {
		t.Error(err)
	}
	a.trusted(t, c.Now(), first, second)
	if serial(t, first) != serial(t, second) {
		t.Error("they show different certificates")
	}
	a.count(t, 2) // the Secret, and the MutatingWebhookConfiguration
}

func TestTheAuthoritysKeyIsNotKept(t *testing.T) {
	t.Parallel()
	a := newAPIServer(t)
	look(t, newKeeper(t, a, newClock()))
	if keys := bytes.Count(bytes.Join([][]byte{a.secret["tls.crt"], a.secret["tls.key"], a.secret["ca.crt"]}, nil), []byte("PRIVATE KEY-----\n")); keys != 2 || len(a.secret) != 3 {
		t.Errorf("%d lines of keys in %d members, want the begin and end of one in 3", keys, len(a.secret))
	}
	block, _ := pem.Decode(a.secret["ca.crt"])
	authority, err := x509.ParseCertificate(block.Bytes)
	if err != nil || !authority.IsCA || !authority.MaxPathLenZero || authority.KeyUsage != x509.KeyUsageCertSign {
		t.Errorf("%v, %+v", err, authority)
	}
}

func TestACertificateIsChangedWithoutAFailedCall(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	first, second := newKeeper(t, a, c), newKeeper(t, a, c)
	look(t, first)
	look(t, second)
	old := serial(t, first)

	c.pass(lifetime*2/3 - time.Minute)
	look(t, first)
	a.count(t, 2) // it is not due yet
	c.pass(2 * time.Minute)
	look(t, first)
	a.count(t, 4)
	a.trusted(t, c.Now(), first, second)
	if serial(t, first) != old {
		t.Error("the new one is shown before API servers can know it")
	}
	look(t, second) // it finds the new one, registered perhaps a moment ago
	if serial(t, second) != old {
		t.Error("the replica that did not register it shows the new one at once")
	}
	look(t, first)
	if serial(t, first) == old {
		t.Error("the new one is not shown after a look in between")
	}
	look(t, second)
	a.trusted(t, c.Now(), first, second)
	if next := serial(t, first); next == old || next != serial(t, second) {
		t.Errorf("%s and %s are shown after %s", next, serial(t, second), old)
	}
	a.count(t, 4)
}

func TestFormerAuthoritiesDoNotPileUp(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	k := newKeeper(t, a, c)
	for range 5 {
		look(t, k)
		look(t, k)
		a.trusted(t, c.Now(), k)
		if n := bytes.Count(a.secret["ca.crt"], []byte("BEGIN")); n > 2 {
			t.Errorf("%d authorities, want at most 2", n)
		}
		c.pass(lifetime*2/3 + time.Minute)
	}
}

func TestOfTwoReplicasThatMakeACertificateOneWins(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	first, second := newKeeper(t, a, c), newKeeper(t, a, c)
	var overtaken atomic.Bool
	a.with(func() {
		a.before = func(r *http.Request) {
			if r.Method == http.MethodPatch && !overtaken.Swap(true) { // the second is quicker than the first's change
				if err := second.Look(t.Context()); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if err := first.Look(t.Context()); err == nil || !strings.Contains(err.Error(), "409") {
		t.Errorf("%v, want 409", err)
	}
	look(t, first)
	a.trusted(t, c.Now(), first, second)
	if serial(t, first) != serial(t, second) {
		t.Error("they show different certificates")
	}
	a.count(t, 2)
}

func TestAnOldLookTakesNothingBack(t *testing.T) {
	t.Parallel()
	a, c, late := newAPIServer(t), newClock(), newClock()
	first, second := newKeeper(t, a, c), newKeeper(t, a, late)
	look(t, first)
	look(t, second)
	c.pass(lifetime*2/3 + time.Minute)
	late.pass(lifetime*2/3 - time.Minute) // the second sees no need of a new one yet
	var requests atomic.Int32
	a.with(func() {
		a.before = func(*http.Request) {
			if requests.Add(1) == 2 { // between what the second reads first and what it reads then
				look(t, first)
			}
		}
	})
	_ = second.Look(t.Context()) // it may fail, and does better the next time
	a.with(func() {
		for hook, bundle := range a.bundles {
			if n := bytes.Count(bundle, []byte("BEGIN")); n != 2 {
				t.Errorf("%s: %d authorities, want the new and the old", hook, n)
			}
		}
	})
	look(t, second)
	a.trusted(t, c.Now(), first, second)
}

func TestWhatOthersSpoiltIsMended(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		spoil func(*apiServer)
	}{
		{"the caBundle, by an upgrade", func(a *apiServer) { a.bundles["pods"] = nil }},
		{"the Secret is empty", func(a *apiServer) { a.secret = nil }},
		{"the Secret has another key", func(a *apiServer) { a.secret["tls.key"] = []byte("none") }},
		{"the Secret has another authority", func(a *apiServer) { a.secret["ca.crt"] = []byte("none") }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a, c := newAPIServer(t), newClock()
			k := newKeeper(t, a, c)
			look(t, k)
			a.with(func() { tt.spoil(a) })
			look(t, k)
			a.trusted(t, c.Now(), k)
		})
	}
}

func TestACertificateThatEndedIsReplacedAtOnce(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	k := newKeeper(t, a, c)
	look(t, k)
	c.pass(lifetime + time.Hour)
	look(t, k)
	a.trusted(t, c.Now(), k)
	if n := bytes.Count(a.secret["ca.crt"], []byte("BEGIN")); n != 1 {
		t.Errorf("%d authorities, want the new one alone", n)
	}
}

func TestOtherNamesNeedAnotherCertificate(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	look(t, newKeeper(t, a, c))
	for _, added := range []string{"second", "third", "fourth"} {
		o := options(t, a, c)
		o.Names = []string{name, added + ".sealcar-system.svc"}
		k, err := certs.NewKeeper(o)
		if err != nil {
			t.Fatal(err)
		}
		look(t, k)
		if shown, err := k.Certificate(); err != nil || shown.Leaf.VerifyHostname(o.Names[1]) != nil {
			t.Errorf("%v, %v", err, shown.Leaf.DNSNames)
		}
		if n := bytes.Count(a.secret["ca.crt"], []byte("BEGIN")); n != 2 {
			t.Errorf("%d authorities, want that of the certificate and the one before", n)
		}
	}
}

func TestWithoutTheAPIServerTheCertificateStays(t *testing.T) {
	t.Parallel()
	a, c := newAPIServer(t), newClock()
	k := newKeeper(t, a, c)
	look(t, k)
	before := serial(t, k)
	a.CloseClientConnections()
	a.Close()
	if err := k.Look(t.Context()); err == nil {
		t.Error("no error")
	}
	if err := k.Ready(); err != nil || serial(t, k) != before {
		t.Error("it has no certificate any more")
	}
}

func TestRunLooksUntilItIsEnded(t *testing.T) {
	t.Parallel()
	a := newAPIServer(t)
	o := options(t, a, newClock())
	o.Interval = time.Millisecond
	k, err := certs.NewKeeper(o)
	if err != nil {
		t.Fatal(err)
	}
	looks := make(chan struct{}, 100)
	a.before = func(*http.Request) {
		select {
		case looks <- struct{}{}:
		default:
		}
	}
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); k.Run(ctx) }()
	for range 8 { // four requests at the first look, two at each of the others
		<-looks
	}
	end()
	<-ended
	a.trusted(t, o.Now(), k)
}

func TestKeepersThatCannotWork(t *testing.T) {
	t.Parallel()
	a := newAPIServer(t)
	for _, tt := range []struct {
		change func(*certs.Options)
		want   string
	}{
		{func(o *certs.Options) { o.Names = nil }, "needs names"},
		{func(o *certs.Options) { o.Secret = "" }, "a Secret"},
		{func(o *certs.Options) { o.Lifetime = 5 * time.Minute }, "cannot be changed in time"},
	} {
		o := options(t, a, newClock())
		tt.change(&o)
		if _, err := certs.NewKeeper(o); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%v, want %q", err, tt.want)
		}
	}
}
