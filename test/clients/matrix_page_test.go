package clients_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

var update = flag.Bool("update", false, "write docs/clients.md from this run")

const pageFile = root + "/docs/clients.md"

// results are what a run of the matrix has found.
type results struct {
	mu     sync.Mutex
	passed map[string]int // scenarios that went well, by client and way
}

func (r *results) add(client, way string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.passed[client+"\x00"+way]++
}

// cell is what the page says of a client by a way.
func (r *results) cell(c client, name string) string {
	i := slices.IndexFunc(c.ways, func(w way) bool { return w.name == name })
	if i < 0 {
		return ""
	}
	if c.ways[i].instead != "" {
		return "no"
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return fmt.Sprintf("%d of %d", r.passed[c.name+"\x00"+name], len(scenarios())-len(c.without))
}

// page is docs/clients.md as the run has it.
func (r *results) page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(pageHead + "\n")
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.name, s.shows)
	}
	fmt.Fprintf(&b, "\n## What was found\n\nScenarios that went well, of those that the client has.\n\n| client | version | %s |\n|---|---|%s\n",
		strings.Join(wayNames(), " | "), strings.Repeat("---|", len(wayNames())))
	for _, c := range clients() {
		fmt.Fprintf(&b, "| %s | %s |", c.name, c.version(t))
		for _, name := range wayNames() {
			fmt.Fprintf(&b, " %s |", r.cell(c, name))
		}
		b.WriteString("\n")
	}
	writeLines(&b)
	b.WriteString(anthropicPart)
	writeLacks(&b)
	return b.String()
}

const pageHead = `# Clients

Each client below was run as an ordinary application has it, without a changed line, against
a real sidecar and a real enclave, and compared with the same application talking straight to
the model server: texts, calls, token counts and the order of events had to be the same. With
tools, which travel as text, that is texts and calls alone; clients of the Responses API were
compared with themselves on chat completions. The route was ` + "`strict`" + ` with ` + "`move_tools`" + `.
Between sidecar and enclave everything was recorded, and searched for the content in clear:
there was none.

This page is written by the run (` + "`make clients-docs`" + `), and ` + "`make test`" + ` fails where it tells
anything else than the run has found.

## What each client did
`

const codeNote = `A line with "in the code" is for clients that read no variable for the address: it is what the
application itself says. Where the address is Ark's, with https, it says so already. HTTP_PROXY
leads http:// addresses alone: an application that keeps its https:// address needs HTTPS_PROXY,
or it goes around sealcar without a word. ` + "`sealcar env` and `sealcar exec`" + ` set both.`

// writeLines writes what to set, once for all clients that set the same.
func writeLines(b *strings.Builder) {
	var order []string
	names := map[string][]string{}
	for _, c := range clients() {
		lines := c.lines()
		if names[lines] == nil {
			order = append(order, lines)
		}
		names[lines] = append(names[lines], c.name)
	}
	b.WriteString("\n## What to set\n\nAddresses and files are those of a sidecar with default settings. `sealcar env` prints such lines for yours.\n\n" + codeNote + "\n")
	for _, lines := range order {
		fmt.Fprintf(b, "\n### %s\n\n%s", strings.Join(names[lines], "; "), lines)
	}
}

// lines are what to set for a client, way by way.
func (c client) lines() string {
	var b strings.Builder
	for _, w := range c.ways {
		if w.instead != "" {
			fmt.Fprintf(&b, "%s: not possible. %s.\n\n", w.name, w.instead)
			continue
		}
		fmt.Fprintf(&b, "%s:\n\n```sh\n%s```\n\n", w.name, w.script(documented()))
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// script sets a way in a shell.
func (w way) script(p places) string {
	var b strings.Builder
	for _, line := range w.lines {
		name, value, _ := strings.Cut(p.fill(line), "=")
		switch name {
		case "CURL_OPTIONS": // the program's, for flags
			fmt.Fprintf(&b, "curl %s …\n", value)
		case ownBase:
			fmt.Fprintf(&b, "# in the code: %s\n", strings.ReplaceAll(w.code, "{base}", value))
		default:
			fmt.Fprintf(&b, "export %s=%q\n", name, value)
		}
	}
	if w.exec != nil {
		fmt.Fprintf(&b, "sealcar %s -- APPLICATION\n", strings.Join(w.exec, " "))
	}
	return b.String()
}

const anthropicPart = `
## Anthropic's SDKs

Anthropic's SDKs for Python and Node have the same chats, whole and streamed, with tools and images,
by the ways below (` + "`" + `TestOtherAPIsGiveWhatChatsGive` + "`" + `, ` + "`" + `TestToolRunnersOfAnthropicsSDKs` + "`" + `), and so can
clients that speak Anthropic's API and read its variables. The API key is the endpoint's.
[dialects.md](dialects.md) has what is carried and what is refused. Proxies and trust are set as for
openai 3, and as for openai in Node.

HTTP_PROXY: ` + "`" + `export ANTHROPIC_BASE_URL="http://ark.cn-beijing.volces.com/api/v3"` + "`" + `, HTTPS_PROXY:
` + "`" + `export ANTHROPIC_BASE_URL="https://ark.cn-beijing.volces.com/api/v3"` + "`" + `, base URL:

` + "```" + `sh
export ANTHROPIC_BASE_URL="http://127.0.0.1:8080"
` + "```" + `
`

// writeLacks writes which scenarios a client does not have.
func writeLacks(b *strings.Builder) {
	b.WriteString("\n## What a client does not have\n\n")
	for _, c := range clients() {
		for _, s := range scenarios() {
			if reason := c.without[s.name]; reason != "" {
				fmt.Fprintf(b, "- %s, %s: %s.\n", c.name, s.name, reason)
			}
		}
	}
}

// version is what the client's lock file says.
func (c client) version(t *testing.T) string {
	t.Helper()
	if c.lock == "" {
		return "the system's"
	}
	name := regexp.QuoteMeta(c.locked)
	form := map[string]string{
		sdkLock:       `(?m)^` + name + `==(\S+)`,
		frameworkLock: `(?m)^` + name + `==(\S+)`,
		nodeLock:      `"node_modules/` + name + `": \{\s+(?:"name": "[^"]+",\s+)?"version": "([^"]+)"`,
		goLock:        name + ` v(\S+)`,
		javaLock:      `<artifactId>` + name + `</artifactId>\s+<version>([^<]+)<`,
	}[c.lock]
	found := regexp.MustCompile(strings.ReplaceAll(form, name+"==", name+`(?:\[[^\]]*\])?==`)).FindStringSubmatch(read(t, c.lock))
	if found == nil {
		t.Fatalf("%s locks no %s", c.lock, c.locked)
	}
	return found[1]
}

// check compares the page with the run, or writes it. A run of some clients
// alone tells nothing of it.
func (r *results) check(t *testing.T) {
	t.Helper()
	if r.passed == nil || t.Failed() {
		return
	}
	for _, c := range clients() {
		for _, w := range c.ways {
			if w.instead == "" && r.passed[c.name+"\x00"+w.name] == 0 {
				t.Logf("%s was not run by %s: the page is not looked at", c.name, w.name)
				return
			}
		}
	}
	page := r.page(t)
	if *update {
		if err := os.WriteFile(pageFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if read(t, pageFile) != strings.TrimSpace(page) {
		t.Errorf("docs/clients.md differs from this run: make clients-docs")
	}
}

// TestThePageHasEveryClient holds the page against the matrix where no SDK is
// installed.
func TestThePageHasEveryClient(t *testing.T) {
	t.Parallel()
	page := read(t, pageFile)
	for _, c := range clients() {
		if row := "| " + c.name + " | " + c.version(t) + " |"; !strings.Contains(page, row) {
			t.Errorf("the page lacks %q: make clients-docs", row)
		}
		if lines := c.lines(); !strings.Contains(page, strings.TrimSpace(lines)) {
			t.Errorf("the page lacks the lines of %s: make clients-docs\n%s", c.name, lines)
		}
	}
}
