package certfetch_test

import (
	"context"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/apierror"
	"sealcar/certfetch"
	"sealcar/crypto/ark"
	"sealcar/test/certtest"
)

// refuse is a Source that always gives the same error.
func refuse(e *apierror.Error) *script {
	s := new(script)
	s.then(func(context.Context, ark.Query) ([]*x509.Certificate, error) { return nil, e })
	return s
}

func TestChainAsksInOrderUntilOneCanBeTrusted(t *testing.T) {
	t.Parallel()
	p := newPKI(t, now)
	leaf := p.leaf(t)
	expired := p.leaf(t, validity(now.Add(-2*hour), now.Add(-hour)))
	give := func(c *x509.Certificate) *script {
		s := new(script)
		s.give(c)
		return s
	}
	down := func() *script {
		return refuse(&apierror.Error{Status: 503, Code: "certificate_unavailable", Message: "down"})
	}
	for _, tt := range []struct {
		name    string
		sources []*script
		want    string
		asked   []int32
	}{
		{"the first has it", []*script{give(leaf), give(leaf)}, "a", []int32{1, 0}},
		{"the first is down", []*script{down(), give(leaf), give(leaf)}, "b", []int32{1, 1, 0}},
		{"what the first has is expired", []*script{give(expired), give(leaf)}, "b", []int32{1, 1}},
		{"what the first has is a stranger's", []*script{give(newPKI(t, now).leaf(t)), down(), give(leaf)}, "c", []int32{1, 1, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := certfetch.Chain{Verifier: &certfetch.Verifier{Roots: p.roots(t), Now: at(now)}}
			for i, s := range tt.sources {
				c.Members = append(c.Members, certfetch.Member{Name: string(rune('a' + i)), Source: s})
			}
			certs, name, err := c.FetchNamed(t.Context(), ark.Query{Model: "m"})
			if err != nil || name != tt.want || !certs[0].Equal(leaf) {
				t.Fatalf("%s, %v", name, err)
			}
			for i, s := range tt.sources {
				if n := s.asked.Load(); n != tt.asked[i] {
					t.Errorf("source %d was asked %d times, want %d", i, n, tt.asked[i])
				}
			}
		})
	}
}

func TestChainTellsOfEveryRefusal(t *testing.T) {
	t.Parallel()
	unauthorized := &apierror.Error{Status: 401, Code: "certificate_unauthorized", Message: "no such key"}
	down := &apierror.Error{Status: 503, Code: "certificate_unavailable", Message: "no answer in time", RetryAfter: 3 * time.Second}
	bad := &apierror.Error{Status: 503, Code: "certificate_untrusted", Message: "not trusted", NoRetry: true}
	notFound := &apierror.Error{Status: 404, Code: "certificate_not_found", Message: "no such model"}
	for name, tt := range map[string]struct {
		faults []*apierror.Error
		want   refusal
	}{
		"what may go away by itself decides": {[]*apierror.Error{unauthorized, down, notFound}, refusal{503, "certificate_unavailable", "", 3 * time.Second, false}},
		"trying again may help one":          {[]*apierror.Error{bad, down}, refusal{503, "certificate_unavailable", "", 3 * time.Second, false}},
		"trying again helps none":            {[]*apierror.Error{bad, bad}, refusal{503, "certificate_untrusted", "", 0, true}},
		"all say no":                         {[]*apierror.Error{unauthorized, notFound}, refusal{404, "certificate_not_found", "", 0, false}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var c certfetch.Chain
			for i, e := range tt.faults {
				c.Members = append(c.Members, certfetch.Member{Name: string(rune('a' + i)), Source: refuse(e)})
			}
			_, err := c.Fetch(t.Context(), ark.Query{Model: "ep-1"})
			wantRefusal(t, err, tt.want)
			for i, e := range tt.faults {
				wantFault(t, err, string(rune('a'+i))+": "+e.Message)
			}
			wantFault(t, err, `"ep-1"`)
		})
	}
}

func TestChainNeedsACredentialOnlyIfAllDo(t *testing.T) {
	t.Parallel()
	key, other := certfetch.Member{Name: "key", Source: new(keyed)}, certfetch.Member{Name: "other", Source: new(script)}
	for _, tt := range []struct {
		members    []certfetch.Member
		credential string
		ok         bool
	}{
		{[]certfetch.Member{key}, "", false},
		{[]certfetch.Member{key}, "k", true},
		{[]certfetch.Member{key, other}, "", true},
		{[]certfetch.Member{other}, "", true},
	} {
		c := certfetch.Chain{Members: tt.members}
		if err := c.CheckCredential(ark.Query{Credential: tt.credential}); (err == nil) != tt.ok {
			t.Errorf("%d members, credential %q: %v", len(tt.members), tt.credential, err)
		}
	}
}

func TestCacheOverAChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "leaf.pem")
		endpoint := new(script)
		b := newRig(t, func(c *certfetch.CacheConfig) {
			c.Source = &certfetch.Chain{Verifier: c.Verifier, Members: []certfetch.Member{
				{Name: "file", Source: &certfetch.FileSource{Path: path}},
				{Name: "openapi", Source: endpoint},
			}}
			c.Dir = filepath.Join(t.TempDir(), "c")
		})
		fromEndpoint, fromFile := b.pki.leaf(t), b.pki.leaf(t)
		endpoint.give(fromEndpoint)
		b.want(t, "m", fromEndpoint, 0)
		if s := b.State()[0]; s.Source != "openapi" {
			t.Errorf("source %q", s.Source)
		}
		b.Cache = b.open(t) // the disk knows whose it is
		b.want(t, "m", fromEndpoint, 0)
		if s := b.State()[0]; s.Source != "openapi" {
			t.Errorf("source %q after a restart", s.Source)
		}
		synctest.Wait()
		write(t, path, string(certtest.PEM(fromFile))) // now there is a file: it comes first
		time.Sleep(time.Second)
		b.renews(t, "m", fromEndpoint, fromFile, 0)
		if s := b.State()[0]; s.Source != "file" {
			t.Errorf("source %q", s.Source)
		}
		// No member needs a credential, so requests with different ones share a failure.
		endpoint.fail(http.StatusServiceUnavailable)
		write(t, path, "garbage")
		before := endpoint.asked.Load()
		for _, credential := range []string{"a", "b", "c"} {
			_, err := b.Certificate(t.Context(), ark.Query{Model: "other", Credential: credential})
			wantFault(t, err, "file: sealcar could not read")
		}
		if n := endpoint.asked.Load() - before; n != 1 {
			t.Errorf("asked %d times for three credentials", n)
		}
	})
}

func TestFileIsWatched(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "leaf.pem")
		b := newRig(t, func(c *certfetch.CacheConfig) {
			c.Source, c.SourceName = &certfetch.FileSource{Path: path}, "file"
		})
		leaves := []*x509.Certificate{b.pki.leaf(t), b.pki.leaf(t), b.pki.leaf(t)}
		write(t, path, string(certtest.PEM(leaves[0])))
		b.want(t, "m", leaves[0], 0)
		b.want(t, "n", leaves[0], 0)
		reads := b.Counts().Fetches
		for range 10 {
			time.Sleep(time.Second)
			b.want(t, "m", leaves[0], 0)
		}
		synctest.Wait()
		if n := b.Counts().Fetches; n != reads {
			t.Errorf("read %d times though nothing changed", n-reads)
		}

		// Renamed into place, as is right; for every model alike.
		next := path + ".new"
		write(t, next, string(certtest.PEM(leaves[1])))
		rename(t, next, path)
		time.Sleep(time.Second)
		b.renews(t, "m", leaves[0], leaves[1], 0)
		b.renews(t, "n", leaves[0], leaves[1], 0)

		// A bad file keeps the old certificate, is reported, and is not read again and again.
		for _, bad := range []string{"garbage", string(certtest.PEM(newPKI(t, time.Now()).leaf(t))), ""} {
			b.faults = nil
			write(t, next, bad)
			rename(t, next, path)
			for range 100 {
				time.Sleep(time.Second)
				b.want(t, "m", leaves[1], 0)
				synctest.Wait()
			}
			if n := len(b.faults); n < 1 || n > 12 {
				t.Errorf("%.10q: %d faults reported within 100 s", bad, n)
			}
			if s := b.State()[0]; s.LastError == "" || s.Stale {
				t.Errorf("%.10q: state %+v", bad, s)
			}
		}
		write(t, next, string(certtest.PEM(leaves[2])))
		rename(t, next, path)
		time.Sleep(30 * time.Second)
		b.renews(t, "m", leaves[1], leaves[2], 0)
	})
}

func TestFileVersionFollowsTheSwapOfALink(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	clock := now
	s := certfetch.FileSource{Path: filepath.Join(dir, "leaf.pem"), Now: func() time.Time { return clock }}
	seen := map[string]bool{}
	look := func(what string, changed bool) {
		t.Helper()
		clock = clock.Add(time.Second)
		if v := s.Version(); seen[v] == changed {
			t.Errorf("%s: changed %t", what, !changed)
		} else {
			seen[v] = true
		}
	}
	look("absent", true)
	look("still absent", false)
	for _, name := range []string{"..1", "..2"} { // as Kubernetes mounts Secrets
		write(t, filepath.Join(dir, name), "the same text")
		symlink(t, name, filepath.Join(dir, "..data"))
		rename(t, filepath.Join(dir, "..data"), s.Path)
		look(name, true)
		look(name, false)
	}
	write(t, filepath.Join(dir, "..2"), "written in place")
	look("written", true)
	clock = clock.Add(-hour) // a clock set back does not stop the looking
	write(t, filepath.Join(dir, "..2"), "written after that")
	look("clock set back", true)
}

func TestChainIsNotHeldUpByAMemberThatHangs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var hangs, has script
		b := newRig(t, func(c *certfetch.CacheConfig) {
			c.Timeout = 9 * time.Second
			c.Source = &certfetch.Chain{Members: []certfetch.Member{{Name: "a", Source: &hangs}, {Name: "b", Source: &hangs}, {Name: "c", Source: &has}}}
		})
		leaf := b.pki.leaf(t)
		hangs.hang()
		has.then(func(ctx context.Context, _ ark.Query) ([]*x509.Certificate, error) {
			select {
			case <-time.After(2 * time.Second):
				return chain(leaf), nil
			case <-ctx.Done():
				return nil, scripted(http.StatusServiceUnavailable)
			}
		})
		start := time.Now()
		b.serves(t, "m", leaf)
		if took := time.Since(start); took != 8*time.Second {
			t.Errorf("took %v, want a third of the 9 s for each that hangs and 2 s for the last", took)
		}
	})
}
