// Package exchange is what a door and a protocol tell each other about one
// request on its way: the door puts a Record into the request's context, the
// protocol fills in what only it knows, and the door writes the log line and the
// metrics from it. It carries facts, counts and paths, never content, keys or tokens.
//
// Start at Record. ReportRequest and ReportReply (report.go) tell the application
// what went in clear. DropOwnHeaders (headers.go) is for both: what an upstream says in
// the headers by which sealcar speaks to an application is refused, wherever it
// comes in. DropDetours is of what would lead the application past sealcar.
package exchange
