package clients_test

import (
	"slices"
	"strings"
)

// table is a part of the matrix: clients by their ways to one kind of sidecar.
type table struct {
	title   string
	intro   string   // for the page
	ways    []string // the columns
	setup   setup
	shown   bool   // the page shows the setup
	address string // of the sidecar, for the page; "" is the default
	clients []client
}

// tables are the whole matrix.
func tables() []table {
	return []table{
		{
			title: "What was found", ways: []string{byHTTP, byHTTPS, byBase, byExec},
			setup:   setup{route: []string{"strict: true", "move_tools: true"}},
			clients: slices.Concat(pythonClients(), nodeClients(), goClients(), javaClients(), curlClients()),
		},
		openAITable(), tokenTable(), gatewayTable(),
	}
}

// What an application has that was written for OpenAI.
const (
	openAIHost = "api.openai.com"
	foreignKey = "sk-of-the-application-5ZC81"
)

// openAINames are what such an application calls the models.
func openAINames() map[string]string {
	return map[string]string{goodModel: "gpt-4o", busyModel: "gpt-4o-mini", downModel: "gpt-4", slowModel: "gpt-4.1", cutModel: "o3"}
}

// openAITable has applications that were written for OpenAI. Its address, its
// models and a key of its are theirs, and nothing of that is changed.
func openAITable() table {
	route := []string{
		"strict: true", "move_tools: true",
		"strip: [user, metadata, prompt_cache_key, safety_identifier]",
		"base_paths: [{from: /v1, to: /api/v3}]",
		"credentials: {source: file, replace: true, api_key_file: \"{api-key}\"}",
		"models:",
	}
	for _, model := range []string{goodModel, busyModel, downModel, slowModel, cutModel} {
		route = append(route, "  - {from: "+openAINames()[model]+", to: "+model+"}")
	}
	viaHTTPX, fetches, viaGo, java := httpxFamily(), fetchFamily(), goFamily(), javaFamily()
	responses := func(c client) client {
		c.direct, c.without = map[string]string{"OPENAI_API": "chat_completions"}, map[string]lack{"n=2": oneAnswer("openai 3")}
		return c
	}
	rows := []client{
		{name: "openai 3", lock: sdkLock, locked: "openai", command: sdkProgram("openai_sync"), ways: viaHTTPX.elsewhere()},
		responses(client{name: "openai 3, Responses API", lock: sdkLock, locked: "openai", command: sdkProgram("openai_responses"), ways: viaHTTPX.elsewhere()}),
		{name: "openai, Node 24", lock: nodeLock, locked: "openai", command: nodeProgram("node24", "openai"), ways: fetches.elsewhere()},
		responses(client{name: "openai, Node 24, Responses API", lock: nodeLock, locked: "openai", command: nodeProgram("node24", "openai_responses"), ways: fetches.elsewhere()}),
		{name: "openai-go", lock: goLock, locked: "github.com/openai/openai-go/v3", command: goProgram("openai"), ways: viaGo.elsewhere()},
		{name: "openai-java (OkHttp)", lock: javaLock, locked: "openai-java", command: javaProgram("OpenAIChat"), ways: java.elsewhere()},
	}
	for i := range rows {
		rows[i].env, rows[i].names = map[string]string{"OPENAI_API_KEY": foreignKey}, openAINames()
	}
	return table{
		title: "Applications written for OpenAI", intro: openAIIntro, ways: []string{byHTTPS, byBase, byExec},
		setup: setup{host: openAIHost, route: route}, shown: true, clients: rows,
	}
}

const openAIIntro = `The application has OpenAI's address built in, asks for OpenAI's models and sends a key of
OpenAI's. A route for its host makes all three the endpoint's: the application's key stays on this
machine, and every reply names the model that was asked for.

Nothing that says something leaves in clear: ` + "`strip`" + ` takes out what is for OpenAI's own accounting,
and a request that has ` + "`stop`, `logit_bias`, a message's `name`" + ` or the schema of structured outputs
(` + "`response_format`, `text.format`" + `) is refused with 400 ` + "`unsealable_field`" + `, for ark-v1 cannot seal
them. Structured outputs work where the schema may be read: with ` + "`residue: refuse`" + ` in place of
` + "`strict: true`, and `residue_exceptions: [{path: response_format, residue: report}]`" + ` ([residue.md](residue.md)).
This is the route:
`

// yaml is a setup as a configuration file has it.
func (s setup) yaml() string {
	s = s.files("/run/secrets/ark-api-key", "/etc/sealcar/tls.pem", "/etc/sealcar/tokens")
	if s.listen != "" {
		s.top = append([]string{"listen: " + s.listen}, s.top...)
	}
	lines := slices.Concat(s.top, []string{"routes:", "  - name: ark", "    hosts: [" + s.routed() + "]"})
	if s.host != "" {
		lines = append(lines, "    upstream: https://"+arkHost)
	}
	return strings.Join(append(lines, indented(s.route)...), "\n") + "\n"
}

func indented(lines []string) (all []string) {
	for _, line := range lines {
		all = append(all, "    "+line)
	}
	return all
}
