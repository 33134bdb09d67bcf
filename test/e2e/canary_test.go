package e2e_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// canaries are marked words, by what they stand for: whatever holds one of them
// holds a secret.
type canaries map[string]string

// newCanaries draws a word for each name. The words hold what URLs, JSON and
// HTML would escape only where told so: they are easiest to find as they are.
func newCanaries(names ...string) canaries {
	c := canaries{}
	for _, name := range names {
		c.add(name, "canary"+strings.ReplaceAll(name, " ", "")+rand.Text())
	}
	return c
}

func (c canaries) add(name, word string) { c[name] = word }

func (c canaries) word(name string) string { return c[name] }

// mustMiss fails the test for each word that text holds, in whatever spelling.
func (c canaries) mustMiss(t *testing.T, where, text string) {
	t.Helper()
	for name, word := range c {
		if spelling := found(text, word); spelling != "" {
			t.Errorf("%s: the %s is in it, %s", where, name, spelling)
		}
	}
}

// found names the spelling in which text holds word, "" for none.
func found(text, word string) string {
	folded := strings.ToLower(text)
	for spelling, forms := range spellings(word) {
		for _, form := range forms {
			if strings.Contains(text, form) || spelling == "in hex" && strings.Contains(folded, form) {
				return spelling
			}
		}
	}
	return ""
}

// spellings are the ways in which a word could stand in a text. Where it may be
// in the middle of something encoded as a whole, what is before it decides how
// it looks; the ends, which differ then, are left out.
func spellings(word string) map[string][]string {
	all := map[string][]string{"as it is": {word}}
	if quoted, err := json.Marshal(word); err == nil {
		all["in JSON"] = []string{strings.Trim(string(quoted), `"`)}
	}
	all["URL-encoded"] = []string{url.QueryEscape(word), url.PathEscape(word)}
	all["in hex"] = []string{hex.EncodeToString([]byte(word))}
	for shift := range 3 {
		text := []byte(strings.Repeat("-", shift) + word)
		for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
			encoded := encoding.EncodeToString(text[:len(text)/3*3])
			all["in base64"] = append(all["in base64"], encoded[4:])
		}
	}
	var words []string // as a trace of goroutines has arguments: machine words, in hex
	for from := range 8 {
		if part := []byte(word[min(from, len(word)):]); len(part) >= 8 {
			little := slices.Clone(part[:8])
			slices.Reverse(little)
			words = append(words, "0x"+hex.EncodeToString(little))
		}
	}
	all["in the words of a trace"] = words
	return all
}

// TestACanaryIsFoundInEverySpelling keeps the search honest.
func TestACanaryIsFoundInEverySpelling(t *testing.T) {
	t.Parallel()
	const word = "canary+/ÿ KQ40817abcdefgh"
	for name, text := range map[string]string{
		"plain":            "x" + word + "y",
		"JSON":             fmt.Sprintf("%q", `{"a":`+word),
		"query":            url.QueryEscape("x=" + word),
		"path":             url.PathEscape(word),
		"hex":              strings.ToUpper(hex.EncodeToString([]byte("x" + word + "y"))),
		"base64":           base64.StdEncoding.EncodeToString([]byte(word)),
		"user:pass":        base64.StdEncoding.EncodeToString([]byte("u:" + word)),
		"base64url":        base64.RawURLEncoding.EncodeToString([]byte("a" + word + "b")),
		"a trace's words":  "main.f({0x2b7972616e6163, 0x2b7972616e6163}, 0x2b7972616e616378)\nmain.g(0x2b7972616e6163, 0x2f2b7972616e6163)",
		"a trace's second": "main.f(0xbfc32f2b7972616e)",
	} {
		if found(text, word) == "" {
			t.Errorf("%s: not found in %q", name, text)
		}
	}
	if spelling := found("canary+/ÿ KQ40817abcdefg", word); spelling != "" {
		t.Errorf("found %s where it is not", spelling)
	}
}

// files are the contents of everything below dir, by path.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
