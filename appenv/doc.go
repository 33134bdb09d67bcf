// Package appenv is the environment that an application needs so that its HTTP
// client goes through the sidecar and trusts its CA, whatever the client is:
// HTTP libraries agree neither on the names of the variables nor on their case.
//
// Start at Variables, which says what to set, and Merge, which lays that over
// an environment. Both are pure: they read and change nothing.
//
// What is refused: an exception from the proxy (NO_PROXY) that covers a host
// with a route, or that is no plain host, address or range, which clients read
// differently. Such traffic would silently go around the sidecar, in clear.
package appenv
