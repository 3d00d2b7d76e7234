package server

import (
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync"
	"time"
)

// The profiles' socket is `debug.sock` in the server's folder, beside the
// operator's. It speaks HTTP and serves what Go knows about the running process, as net/http/pprof
// describes it, to the system's user that the server runs as and to root: who may attach a debugger anyway.

const debugSocketName = "debug.sock"

// How often waits are sampled while somebody asks for them: one contended lock in
// mutexRate, one wait in about blockRate. Nothing is sampled at other times.
const (
	mutexRate = 10
	blockRate = 10 * time.Microsecond
)

// longestProfile bounds the seconds of a profile of waits.
const longestProfile = 5 * time.Minute

// newProfiles makes the server of the profiles' socket.
func newProfiles() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("POST /debug/free", func(http.ResponseWriter, *http.Request) { debug.FreeOSMemory() })
	var one sync.Mutex // the rates are the process's
	mux.HandleFunc("GET /debug/pprof/mutex", sampled(&one, "mutex", func() func() {
		runtime.SetMutexProfileFraction(mutexRate)
		return func() { runtime.SetMutexProfileFraction(0) }
	}))
	mux.HandleFunc("GET /debug/pprof/block", sampled(&one, "block", func() func() {
		runtime.SetBlockProfileRate(int(blockRate.Nanoseconds()))
		return func() { runtime.SetBlockProfileRate(0) }
	}))
	return &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
}

// sampled serves a profile of waits, which are sampled only meanwhile: the
// request has to say for how many seconds. begin answers what ends the sampling.
func sampled(one *sync.Mutex, name string, begin func() (end func())) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.FormValue("seconds"))
		if err != nil || n < 1 || time.Duration(n)*time.Second > longestProfile {
			http.Error(w, fmt.Sprintf("Say for how long: /debug/pprof/%s?seconds=30, at most %d.", name, int(longestProfile.Seconds())), http.StatusBadRequest)
			return
		}
		if !one.TryLock() {
			http.Error(w, "Another profile of waits is being taken; ask again when it is over.", http.StatusConflict)
			return
		}
		defer one.Unlock()
		defer begin()()
		pprof.Handler(name).ServeHTTP(w, r)
	}
}

// serveProfiles serves until the server of the profiles is closed.
func serveProfiles(h *http.Server, l net.Listener) error { return notClosed(h.Serve(l)) }
