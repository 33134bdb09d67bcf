// Package soak sends mixed traffic through a running sidecar, at every door and in
// every API that it speaks, and judges each reply against what was asked: the other
// end's echo answers with content that depends on the request, and no two requests
// have the same content. It also looks for that content on the wire, inside TLS.
//
// Traffic is where to start: it sends until it is told to end, and its Tally says
// what became of each kind of request. A kind (kinds.go) that is to be refused is
// right if it is refused with its code; one that the application gives up is right
// if all that came until then is the beginning of the answer. Watch is the tap for a
// test/wire relay. Processes, samples and the report are test/bench/hop's.
package soak
