package clients_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/clients.md from this run")

const pageFile = root + "/docs/clients.md"

// The titles of what is no table.
const (
	whatTitle      = "What each client did"
	detailsTitle   = "What HTTP has beside a chat"
	anthropicTitle = "Anthropic's SDKs"
	lacksTitle     = "What a client does not have"
)

// page is docs/clients.md as the run has it.
func (r *results) page(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(pageHead + "\n")
	for _, s := range scenarios() {
		fmt.Fprintf(&b, "- **%s**: %s\n", s.name, s.shows)
	}
	for _, part := range tables() {
		fmt.Fprintf(&b, "\n## %s\n\n", part.title)
		if part.intro != "" {
			fmt.Fprintf(&b, "%s\n", part.intro)
		}
		if part.shown {
			fmt.Fprintf(&b, "```yaml\n%s```\n\n", part.setup.yaml())
		}
		r.writeTable(t, &b, part)
		writeLines(&b, part)
	}
	r.writeDetails(&b)
	b.WriteString(anthropicPart)
	writeLacks(&b)
	return b.String()
}

func (r *results) writeTable(t *testing.T, b *strings.Builder, part table) {
	t.Helper()
	fmt.Fprintf(b, "Scenarios that went well, of those that the client has:\n\n| client | version | %s |\n|---|---|%s\n",
		strings.Join(part.ways, " | "), strings.Repeat("---|", len(part.ways)))
	for _, c := range part.clients {
		fmt.Fprintf(b, "| %s | %s |", c.name, c.version(t))
		for _, name := range part.ways {
			fmt.Fprintf(b, " %s |", r.cell(part, c, name))
		}
		b.WriteString("\n")
	}
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

## ` + whatTitle + `
`

const codeNote = `A line with "in the code" is for clients that read no variable for the address: it is what the
application itself says. Where the address is Ark's, with https, it says so already. HTTP_PROXY
leads http:// addresses alone: an application that keeps its https:// address needs HTTPS_PROXY,
or it goes around sealcar without a word. ` + "`sealcar env` and `sealcar exec`" + ` set both.`

// writeLines writes what to set, once for all clients that set the same.
func writeLines(b *strings.Builder, part table) {
	var order []string
	names := map[string][]string{}
	for _, c := range part.clients {
		lines := c.lines(part)
		if names[lines] == nil {
			order = append(order, lines)
		}
		names[lines] = append(names[lines], c.name)
	}
	b.WriteString("\nWhat to set, where addresses and files are those of a sidecar with default settings. `sealcar env` prints such lines for yours.\n")
	if slices.ContainsFunc(part.clients, func(c client) bool { return c.ways[0].code != "" }) {
		b.WriteString("\n" + codeNote + "\n")
	}
	for _, lines := range order {
		fmt.Fprintf(b, "\n### %s\n\n%s", strings.Join(names[lines], "; "), lines)
	}
}

// lines are what to set for a client, way by way.
func (c client) lines(part table) string {
	var b strings.Builder
	for _, w := range c.ways {
		if w.instead != "" {
			fmt.Fprintf(&b, "%s: not possible. %s.\n\n", w.name, w.instead)
			continue
		}
		fmt.Fprintf(&b, "%s:\n\n```sh\n%s```\n\n", w.name, w.script(documented(part)))
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
## ` + anthropicTitle + `

Anthropic's SDKs for Python, Node and Go have the same chats, whole and streamed, with tools and images,
by the ways below (` + "`" + `TestOtherAPIsGiveWhatChatsGive` + "`" + `, ` + "`" + `TestToolRunnersOfAnthropicsSDKs` + "`" + `), and so can
clients that speak Anthropic's API and read its variables. The API key is the endpoint's.
[dialects.md](dialects.md) has what is carried and what is refused. Proxies and trust are set as for
openai 3, as for openai in Node, and as for openai-go.

HTTP_PROXY: ` + "`" + `export ANTHROPIC_BASE_URL="http://ark.cn-beijing.volces.com/api/v3"` + "`" + `, HTTPS_PROXY:
` + "`" + `export ANTHROPIC_BASE_URL="https://ark.cn-beijing.volces.com/api/v3"` + "`" + `, base URL:

` + "```" + `sh
export ANTHROPIC_BASE_URL="http://127.0.0.1:8080"
` + "```" + `
`

// writeLacks writes which scenarios a client does not have.
func writeLacks(b *strings.Builder) {
	b.WriteString("\n## " + lacksTitle + "\n\nWhat to do in its place was tried by the same run.\n\n")
	for _, part := range tables() {
		for _, c := range part.clients {
			for _, s := range scenarios() {
				if lack, lacks := c.without[s.name]; lacks {
					fmt.Fprintf(b, "- %s, %s: %s.\n", c.name, s.name, lack.reason)
				}
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

// check compares the page with the run, or writes it. Of a part that was not run
// whole it tells nothing, and leaves it on the page as it was.
func (r *results) check(t *testing.T) {
	t.Helper()
	if t.Failed() {
		return
	}
	was, is, whole := sections(read(t, pageFile)), sections(strings.TrimSpace(r.page(t))), true
	for _, part := range tables() {
		if !r.ran(part) {
			is[part.title], whole = was[part.title], false
			t.Logf("%q was not run whole: it is not looked at on the page", part.title)
		}
	}
	if len(r.details) < len(plainClients()) {
		is[detailsTitle], whole = was[detailsTitle], false
	}
	if whole {
		r.checkAlternatives(t)
	}
	switch page := joined(is); {
	case *update:
		if err := os.WriteFile(pageFile, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	case read(t, pageFile) != strings.TrimSpace(page):
		t.Errorf("docs/clients.md differs from this run: make clients-docs")
	}
}

// ran tells whether every client of a table was run by each of its ways.
func (r *results) ran(part table) bool {
	for _, c := range part.clients {
		for _, w := range c.ways {
			if w.instead == "" && r.count(part.title, c.name, w.name) == 0 {
				return false
			}
		}
	}
	return true
}

// sections are the parts of a page by their titles; what is before the first is
// that of "".
func sections(page string) map[string]string {
	parts := map[string]string{}
	for i, text := range strings.Split(page, "\n## ") {
		title, rest, _ := strings.Cut(text, "\n")
		if i == 0 {
			title, rest = "", text
		}
		parts[title] = strings.TrimSpace(rest)
	}
	return parts
}

// joined is the page of these parts, in its order.
func joined(parts map[string]string) string {
	titles := []string{whatTitle}
	for _, part := range tables() {
		titles = append(titles, part.title)
	}
	page := parts[""] + "\n"
	for _, title := range append(titles, detailsTitle, anthropicTitle, lacksTitle) {
		page += "\n## " + title + "\n\n" + parts[title] + "\n"
	}
	return page
}

// TestThePageHasEveryClient holds the page against the matrix where no SDK is
// installed.
func TestThePageHasEveryClient(t *testing.T) {
	t.Parallel()
	page := read(t, pageFile)
	for _, part := range tables() {
		if part.shown && !strings.Contains(page, part.setup.yaml()) {
			t.Errorf("the page lacks the configuration of %q: make clients-docs", part.title)
		}
		for _, c := range part.clients {
			if row := "| " + c.name + " | " + c.version(t) + " |"; !strings.Contains(page, row) {
				t.Errorf("the page lacks %q: make clients-docs", row)
			}
			if lines := c.lines(part); !strings.Contains(page, strings.TrimSpace(lines)) {
				t.Errorf("the page lacks the lines of %s: make clients-docs\n%s", c.name, lines)
			}
		}
	}
}
