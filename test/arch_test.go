package test_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// sealcar is the plan of the house. Whoever adds a package, a folder or a third
// party's package adds its line here, with the reason.
func sealcar() house {
	return house{
		rooms: map[string]room{
			".":       {why: "the process itself (arguments, environment, exit) is met in one place", may: []string{"command", "hardening"}},
			"command": {why: "parsing and wiring stay out of what they wire", may: []string{"*"}},
			"demo":    {why: "the demonstration uses what every user can use", may: []string{"config", "enclave", "proxy", "filemode"}},
			"sidecar": {why: "run, exec and demo wire one sidecar the same way", may: []string{"config", "proxy", "upstream", "certfetch", "certfetch/*", "apikey", "crypto/ark", "payload", "netguard", "translate/*", "filemode", "crypto/volcsign", "translate/images"}},

			"doctor": {why: "what is wrong on the way can be examined without serving anybody", may: []string{"config", "sidecar", "upstream", "certfetch/*", "crypto/ark", "apierror"}},

			"proxy":      {why: "the data port knows no protocol: one reaches it as an http.RoundTripper", may: []string{"config", "apierror", "exchange", "netguard", "livefile", "filemode", "downstream", "socket", "kubeprobe"}},
			"upstream":   {why: "how we dial out does not depend on what is sent", may: []string{"config", "netguard", "livefile", "filemode", "socket"}},
			"downstream": {why: "how connections are held does not depend on what their requests are for", may: []string{"socket"}},
			"enclave":    {why: "the other end of the wire runs without the sidecar", may: []string{"crypto/*", "payload", "apierror", "exchange", "filemode"}},

			"certfetch":     {why: "where certificates come from is apart from what is sealed with them", may: []string{"crypto/ark", "crypto/volcsign", "apierror", "certfetch/*", "backoff", "lru", "filemode", "livefile"}},
			"webhook":       {why: "what is done to a pod can be told from the pod and the settings alone", may: []string{"filemode", "kubeprobe"}},
			"webhook/certs": {why: "whose certificate the webhook has is apart from what it answers", may: []string{"livefile", "filemode"}},

			"certfetch/revocation": {why: "whether a certificate was taken back can be asked without knowing what it is for", may: []string{"certfetch/*", "backoff", "lru"}},

			"apikey":          {why: "which key a request goes out with is apart from how it is sealed", may: []string{"backoff", "crypto/volcsign", "apierror", "filemode", "livefile"}},
			"crypto/ark":      {why: "a protocol can be read, and used, without any proxy", may: []string{"rewrite", "payload", "apierror", "exchange"}},
			"crypto/volcsign": {why: "the signature is the vendor's control plane's alone", may: []string{"filemode"}},

			"machine":             {why: "what a container allows is found out apart from what is done with it"},
			"hardening":           {why: "what is done to the process itself stands in one place, and the process is met in main"},
			"translate/dialect":   {why: "what all other APIs need to become a chat is written once", may: []string{"rewrite", "payload", "apierror", "exchange"}},
			"translate/anthropic": {why: "an API can be understood without what seals its chats", may: []string{"translate/dialect", "apierror", "exchange"}},
			"translate/responses": {why: "an API can be understood without what seals its chats", may: []string{"translate/dialect", "apierror", "exchange"}},
			"translate/images":    {why: "what a request is made into before it is sealed is apart from the seal", may: []string{"rewrite", "payload", "netguard", "apierror", "exchange"}},
			"filemode":            {why: "which modes a file with a secret may have is said once"},
			"translate/models":    {why: "what a model is called here and there is apart from how it is reached", may: []string{"rewrite", "payload", "exchange"}},
			"translate/tools":     {why: "function calling inside content is worth having with any protocol that seals content alone", may: []string{"rewrite", "payload", "apierror", "exchange"}},

			"payload":   {why: "bodies that are read whole are bounded in one way", may: []string{"apierror", "rewrite"}},
			"rewrite":   {why: "what changes bytes knows nothing of why"},
			"config":    {why: "everybody reads it, so it reads nobody but the file itself", may: []string{"filemode"}},
			"appenv":    {why: "what an application needs to be told depends on no running sidecar"},
			"netguard":  {why: "which addresses a stranger may send us to is decided in one place"},
			"socket":    {why: "what a system call costs is met in one place, for both sides of a hop"},
			"logbuffer": {why: "how lines reach standard error is apart from what they say"},
			"livefile":  {why: "files that change under us are looked at in one way"},
			"apierror":  {why: "every layer refuses in one form"},
			"kubeprobe": {why: "what a kubelet makes of an answer is known in one place"},
			"backoff":   {why: "what fails is remembered in one way", may: []string{"lru"}},
			"lru":       {why: "what is kept by a stranger's key is bounded in one way"},
			"exchange":  {why: "a door and a protocol share facts without knowing each other"},

			"test":            {why: "it proves the house and is no part of it"},
			"test/process":    {why: "end-to-end tests and SDK tests run the real binary the same way"},
			"test/certtest":   {why: "tests of nine packages need keys and certificates, and say only what is in them"},
			"test/inprocess":  {why: "tests that need both ends, and not the real binary, start them the same way", may: []string{"config", "enclave", "proxy", "sidecar"}},
			"test/wire":       {why: "what crosses the wire is recorded and searched in one way"},
			"test/cases":      {why: "a case of the threat model is one file, and needs no code"},
			"test/e2e":        {why: "scenarios run the real binary, nothing of ours in between", may: []string{"test/process"}},
			"test/clients":    {why: "real SDKs meet the real binary, nothing of ours in between", may: []string{"test/process"}},
			"test/bench/hop":  {why: "what a hop costs is measured from outside, with the real binary", may: []string{"crypto/ark", "test/wire", "test/bench/soak"}},
			"test/bench/soak": {why: "what is sent in a soak test, and what is right, can be read without what it costs", may: []string{"test/wire"}},
			"test/charts":     {why: "what a chart promises can be held to without a cluster"},
			"test/kube":       {why: "pods run the charts and the real image, nothing of ours in between"},
			"test/kube/app":   {why: "the application of those pods is a program of its own"},
			"test/mutations":  {why: "a guard that no test would miss is found by taking it out"},
			"test/dialectrig": {why: "translations are tested in one way", may: []string{"translate/dialect", "apierror", "exchange"}},
		},
		guests: map[string]guest{
			"github.com/rs/zerolog":                 {why: "they log, or hand the logger on; below them errors go up", by: []string{"command", "sidecar", "demo", "proxy", "enclave", "webhook", "webhook/certs", "logbuffer", "test/inprocess"}},
			"github.com/elazarl/goproxy":            {why: "only the doors of the data port know CONNECT", by: []string{"proxy"}},
			"github.com/prometheus/client_golang":   {why: "facts are counted where the request ends", by: []string{"proxy"}},
			"software.sslmate.com/src/go-pkcs12":    {why: "the trust store for Java is one of the local authority's files", by: []string{"proxy"}},
			"github.com/spf13/viper":                {why: "everybody else sees a typed Config", by: []string{"config"}},
			"github.com/fsnotify/fsnotify":          {why: "everybody else sees a typed Config", by: []string{"config"}},
			"github.com/go-viper/mapstructure/v2":   {why: "everybody else sees a typed Config", by: []string{"config"}},
			"go.yaml.in/yaml/v3":                    {why: "everybody else sees a typed Config", by: []string{"config"}},
			"github.com/spf13/cobra":                {why: "no package depends on being called from a command line", by: []string{"command"}},
			"github.com/mattn/go-isatty":            {why: "only a command has a terminal", by: []string{"command"}},
			"github.com/go-json-experiment/json":    {why: "there is one reading of a JSON document", by: []string{"rewrite"}},
			"github.com/KimMachineGun/automemlimit": {why: "cgroups, v1 and v2, nested and mounted in many ways, are read by one that keeps up with them", by: []string{"machine"}},
			"golang.org/x/sync":                     {why: "one fetch of a certificate, however many wait", by: []string{"certfetch", "certfetch/revocation", "translate/images"}},
			"golang.org/x/crypto":                   {why: "OCSP and the CRL extensions that crypto/x509 does not read", by: []string{"certfetch/revocation"}},
			"golang.org/x/net":                      {why: "a bound on connections, which net/http lacks; what is a token, as net/http has it", by: []string{"enclave", "webhook", "proxy", "downstream"}},
			"golang.org/x/sys":                      {why: "what a system offers and package syscall lacks", by: []string{"hardening", "filemode"}},
			"github.com/segmentio/asm":              {why: "base64 costs more than AES on images, and this one a tenth of the standard library's; it encodes our own ciphertext, and decodes nothing of a stranger's", by: []string{"crypto/ark"}},
		},
		folders: map[string]string{
			"charts": "what a cluster installs",
			"docs":   "one page per decision that a newcomer would question",
			"image":  "what builds the container image is a module of its own: sealcar does not depend on it",
		},
	}
}

// root is the top of the source tree, seen from this package.
const root = ".."

func TestImportsFollowTheRules(t *testing.T) {
	t.Parallel()
	for _, v := range sealcar().violations(list(t)) {
		t.Error(v)
	}
}

func TestNoThirdPartyIsAllowedInVain(t *testing.T) {
	t.Parallel()
	for _, v := range sealcar().unused(list(t)) {
		t.Error(v)
	}
}

func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		if v := undocumented(p); v != "" {
			t.Error(v)
		}
	}
}

func TestNothingRunsBeforeMain(t *testing.T) {
	t.Parallel()
	for _, p := range list(t) {
		for _, name := range p.GoFiles {
			found, err := initFunctions(filepath.Join(p.Dir, name), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range found {
				t.Errorf("%s: an init function; let the caller construct what it needs", at)
			}
		}
	}
}

func TestEveryFolderHasAReason(t *testing.T) {
	t.Parallel()
	found, err := sealcar().strangers(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range found {
		t.Errorf("%s/ has no entry: say in arch_test.go why it is at the top", name)
	}
}

// TestRulesCatch breaks each rule once.
func TestRulesCatch(t *testing.T) {
	t.Parallel()
	rules := house{
		rooms: map[string]room{
			".":       {why: "W", may: []string{"command"}},
			"command": {why: "W", may: []string{"*"}},
			"proxy":   {why: "W", may: []string{"config"}},
			"enclave": {why: "W", may: []string{"crypto/*"}},
			"config":  {why: "W"},
		},
		guests: map[string]guest{"example.com/log": {why: "W", by: []string{"proxy"}}},
	}
	tests := []struct {
		name, importer, imported, want string
	}{
		{"allowed", "sealcar/proxy", "sealcar/config", ""},
		{"allowed below", "sealcar/enclave", "sealcar/crypto/ark", ""},
		{"allowed everything", "sealcar/command", "sealcar/crypto/ark", ""},
		{"the standard library", "sealcar/config", "net/http", ""},
		{"an invited guest", "sealcar/proxy", "example.com/log/sub", ""},

		{"a sideways import", "sealcar/proxy", "sealcar/enclave", "may import only [config]"},
		{"an upward import", "sealcar/config", "sealcar/proxy", "may import only []"},
		{"below stops at one level", "sealcar/enclave", "sealcar/crypto/ark/x", "may import only [crypto/*]"},
		{"main reaches past command", "sealcar", "sealcar/proxy", "may import only [command]"},
		{"nobody imports main", "sealcar/command", "sealcar", "may import only [*]"},
		{"nobody imports tests", "sealcar/command", "sealcar/test/e2e", "may import only [*]"},
		{"a guest of another room", "sealcar/config", "example.com/log", "only [proxy] may"},
		{"a guest with the same beginning", "sealcar/proxy", "example.com/logger", "third party without an entry"},
		{"a package without an entry", "sealcar/util", "fmt", "util has no entry"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var pkgs []pkg
			for name := range rules.rooms {
				pkgs = append(pkgs, pkg{ImportPath: strings.TrimSuffix("sealcar/"+name, "/.")})
			}
			pkgs = append(pkgs, pkg{ImportPath: tt.importer, Imports: []string{tt.imported}})
			got := rules.violations(pkgs)
			switch {
			case tt.want == "" && len(got) > 0:
				t.Errorf("refused: %q", got)
			case tt.want != "" && (len(got) != 1 || !strings.Contains(got[0], tt.want)):
				t.Errorf("got %q, want one line with %q", got, tt.want)
			}
		})
	}

	t.Run("a guest that nobody lets in", func(t *testing.T) {
		t.Parallel()
		used := []pkg{{ImportPath: "sealcar/proxy", Imports: []string{"example.com/log/sub"}}}
		if got := append(rules.unused(nil), rules.unused(used)...); len(got) != 1 {
			t.Errorf("got %q, want one line, for the package that does not import it", got)
		}
	})

	t.Run("an entry without a package", func(t *testing.T) {
		t.Parallel()
		if got := len(rules.violations(nil)); got != len(rules.rooms) {
			t.Errorf("%d lines, want %d", got, len(rules.rooms))
		}
	})
}

func TestMissingDocumentationIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "doc.go"), []byte("package p\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, p := range map[string]pkg{
		"has no doc.go":          {Name: "p", GoFiles: []string{"p.go", "q.go"}, Doc: "Package p."},
		"has no main.go":         {Name: "main", GoFiles: []string{"doc.go"}, Doc: "Command p."},
		"has no package comment": {Name: "p", GoFiles: []string{"doc.go"}},
		"elsewhere than in":      {Name: "p", GoFiles: []string{"doc.go", "p.go"}, Doc: "Package p.", Dir: dir},
	} {
		if got := undocumented(p); !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestInitFunctionIsSeen(t *testing.T) {
	t.Parallel()
	found, err := initFunctions("p.go", "package p\n\ntype t int\n\nfunc (t) init() {}\n\nfunc init() {}\n")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, []string{"p.go:7:1"}) {
		t.Errorf("found %q, want the function in line 7 alone", found)
	}
}

func TestFolderWithoutReasonIsSeen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"known", "room", "stranger", "ignored", ".hidden"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".gitignore"), []byte("/ignored/\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	found, err := house{folders: map[string]string{"known": "W"}, rooms: map[string]room{"room/inner": {}}}.strangers(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(found, []string{"stranger"}) {
		t.Errorf("found %q, want the stranger alone", found)
	}
}

// list asks the go command for every package of the module.
func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-json=ImportPath,Dir,Name,Doc,GoFiles,Imports", "./...")
	cmd.Dir = root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var pkgs []pkg
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	if len(pkgs) == 0 {
		t.Fatal("go list found no package")
	}
	return pkgs
}
