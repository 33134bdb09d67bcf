package ark_test

import (
	"crypto/ecdh"
	"crypto/fips140"
	"crypto/rand"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"sealcar/crypto/ark"
)

// inBubble runs a test whose time passes by itself. Go's FIPS module draws
// entropy from how long things take, and there time stands still.
func inBubble(t *testing.T, test func(*testing.T)) {
	t.Helper()
	if fips140.Enabled() {
		t.Skip("the FIPS module draws no entropy in a synctest bubble")
	}
	synctest.Test(t, test)
}

func newKey(t testing.TB, curve ecdh.Curve) *ecdh.PrivateKey {
	t.Helper()
	key, err := curve.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newSession(t testing.TB, s *ark.Sessions, peer *ecdh.PublicKey) *ark.Session {
	t.Helper()
	session, err := s.New(peer)
	if err != nil {
		t.Fatal(err)
	}
	return session
}

// settle asks for a session, so that there are keys ahead of time, and waits for
// them.
func settle(t testing.TB, s *ark.Sessions, peer *ecdh.PublicKey) {
	t.Helper()
	newSession(t, s, peer)
	synctest.Wait()
	if s.Ready(peer) == 0 {
		t.Fatal("nothing was made ahead of time")
	}
}

func TestSessions_AgreeWithTheEnclave(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		key, sessions := newKey(t, ecdh.P256()), ark.NewSessions(ark.SessionsConfig{})
		defer sessions.Close()
		settle(t, sessions, key.PublicKey())
		for range 20 { // some made ahead, some not
			client := newSession(t, sessions, key.PublicKey())
			enclave, err := ark.AcceptSession(key, client.Token())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := enclave.Open(nil, client.Seal(nil, []byte("text"))); err != nil || string(got) != "text" {
				t.Errorf("opened as %q, %v", got, err)
			}
		}
	})
}

func TestSessions_ThereAreAsManyAsAreNeededUpToTheLimit(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const limit = 20
		peer, sessions := newKey(t, ecdh.P256()).PublicKey(), ark.NewSessions(ark.SessionsConfig{Ahead: limit})
		defer sessions.Close()
		settle(t, sessions, peer)
		first := sessions.Ready(peer)
		for range first/2 - 1 {
			newSession(t, sessions, peer)
		}
		synctest.Wait()
		if n := sessions.Ready(peer); first >= limit || n != first/2+1 {
			t.Errorf("%d were made at first, and %d are ready after %d were taken; more only from the half on", first, n, first/2-1)
		}
		newSession(t, sessions, peer)
		synctest.Wait()
		if n := sessions.Ready(peer); n != first {
			t.Errorf("%d are ready, want the %d of before: they sufficed", n, first)
		}
		for n, tries := 0, 0; n != limit; tries++ {
			for range 10 * limit { // faster than they are made
				newSession(t, sessions, peer)
			}
			synctest.Wait()
			if n = sessions.Ready(peer); n > limit || tries > 100 {
				t.Fatalf("%d are ready, want %d", n, limit)
			}
		}
	})
}

// Each session serves one request: whoever takes them, and whether they were made
// ahead or not.
func TestT3_SessionsMadeAheadAreUnique(t *testing.T) {
	t.Parallel()
	const takers = 8
	count := 100_000
	if testing.Short() {
		count = 4_000
	}
	peer, sessions := newKey(t, ecdh.P256()).PublicKey(), ark.NewSessions(ark.SessionsConfig{})
	defer sessions.Close()
	var wg sync.WaitGroup
	tokens := make([][]string, takers)
	for i := range tokens {
		wg.Go(func() {
			for range count / takers {
				session, err := sessions.New(peer)
				if err != nil {
					t.Error(err)
					return
				}
				tokens[i] = append(tokens[i], session.Token())
			}
		})
	}
	wg.Wait()
	seen := make(map[string]struct{}, count)
	for _, own := range tokens {
		for _, token := range own {
			seen[token] = struct{}{}
		}
	}
	if len(seen) != count {
		t.Errorf("%d sessions have only %d tokens", count, len(seen))
	}
}

// A request that is sealed anew takes another session, of the new certificate,
// and what was made for the old one is dropped.
func TestT3_ARetryHasASessionOfItsOwn(t *testing.T) {
	t.Parallel()
	old, today := newEndpoint(t), newEndpoint(t)
	certificates := &rotation{old: old.cert, today: today.cert}
	bad := answer{http.StatusBadRequest, "application/json", `{"error":{"code":"DecryptError"}}`}
	up := newRecorder(t, stale(today, bad, today.sealing(t, "application/json", `{"choices":[{"message":{"content":"%s"},"finish_reason":"stop"}]}`, "fine")))
	sessions := ark.NewSessions(ark.SessionsConfig{})
	defer sessions.Close()
	transport := &ark.Transport{Base: up.Client().Transport, Certificates: certificates, Sessions: sessions}
	const chats = 50
	for range chats {
		req, _ := post(t, up.URL, chatPath, secretChat)
		if status, body, err := roundTrip(transport, req); err != nil || status != http.StatusOK {
			t.Fatalf("got %d %q, %v", status, body, err)
		}
		if n := sessions.Ready(old.cert.PublicKey); n != 0 {
			t.Fatalf("%d sessions lie ready for a key that is out of use", n)
		}
	}
	tokens := map[string]bool{}
	for _, r := range up.requests() {
		tokens[r.header.Get("X-Session-Token")] = true
	}
	if len(tokens) != 2*chats {
		t.Errorf("%d chats sent twice had %d tokens", chats, len(tokens))
	}
}

// The worker's end is part of this: synctest.Test waits for it.
func TestSessions_WhatNobodyAsksForIsDropped(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		const idle = time.Minute
		busy, quiet := newKey(t, ecdh.P256()).PublicKey(), newKey(t, ecdh.P256()).PublicKey()
		sessions := ark.NewSessions(ark.SessionsConfig{Idle: idle})
		settle(t, sessions, quiet)
		for range 4 {
			settle(t, sessions, busy)
			time.Sleep(idle / 2)
		}
		synctest.Wait()
		if sessions.Ready(busy) == 0 || sessions.Keys() != 1 {
			t.Errorf("%d sessions are ready for the key in use and %d keys are kept, want some and one", sessions.Ready(busy), sessions.Keys())
		}
		time.Sleep(2 * idle)
		synctest.Wait()
		if n := sessions.Keys(); n != 0 {
			t.Errorf("%d keys are kept after nobody asked for long", n)
		}
		settle(t, sessions, busy) // it starts again
		time.Sleep(2 * idle)
	})
}

func TestSessions_ForgetDropsThoseOfOneKey(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		old, today := newKey(t, ecdh.P256()).PublicKey(), newKey(t, ecdh.P256()).PublicKey()
		sessions := ark.NewSessions(ark.SessionsConfig{})
		defer sessions.Close()
		settle(t, sessions, old)
		settle(t, sessions, today)
		sessions.Forget(old)
		synctest.Wait()
		if sessions.Ready(old) != 0 || sessions.Ready(today) == 0 {
			t.Errorf("%d are ready for the forgotten key and %d for the other", sessions.Ready(old), sessions.Ready(today))
		}
		sessions.Forget(old) // is no fault
		sessions.Forget(newKey(t, ecdh.P384()).PublicKey())
	})
}

func TestSessions_CloseDropsAllAndEndsTheWork(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		peer, sessions := newKey(t, ecdh.P256()).PublicKey(), ark.NewSessions(ark.SessionsConfig{})
		settle(t, sessions, peer)
		newSession(t, sessions, peer)
		start := time.Now()
		sessions.Close()
		if waited := time.Since(start); waited > 0 {
			t.Errorf("Close took %v, as long as the worker had nothing to do", waited)
		}
		sessions.Close()
		newSession(t, sessions, peer) // made inline: requests on their way end well
		if n := sessions.Keys(); n != 0 {
			t.Errorf("%d keys are kept after Close", n)
		}
	})
}

func TestSessions_TheNumberOfKeysIsBounded(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		sessions := ark.NewSessions(ark.SessionsConfig{Idle: time.Minute})
		defer sessions.Close()
		for range 40 {
			newSession(t, sessions, newKey(t, ecdh.P256()).PublicKey())
		}
		if n := sessions.Keys(); n != 16 {
			t.Errorf("%d keys are kept, want 16", n)
		}
		time.Sleep(3 * time.Minute)
		settle(t, sessions, newKey(t, ecdh.P256()).PublicKey()) // the idle ones made room
	})
}

func TestT7_SessionsForKeysOfOtherCurves(t *testing.T) {
	t.Parallel()
	sessions := ark.NewSessions(ark.SessionsConfig{})
	defer sessions.Close()
	for _, curve := range []ecdh.Curve{ecdh.P384(), ecdh.P521(), ecdh.X25519()} {
		if s, err := sessions.New(newKey(t, curve).PublicKey()); err == nil || s != nil {
			t.Errorf("a key on %v is taken", curve)
		}
	}
	if n := sessions.Keys(); n != 0 {
		t.Errorf("%d keys are kept", n)
	}
}
