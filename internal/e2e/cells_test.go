package e2e_test

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"connectrpc.com/connect"
)

// protocolsOf are the squares of the table for each client; each must be there at every door.
var protocolsOf = map[string][]string{
	"net/http":     {"REST", "SSE"},
	"curl":         {"REST", "REST with gzip", "SSE", "Connect"},
	"grpc-go":      {"gRPC", "health", "reflection"},
	"connect-go":   {"gRPC", "gRPC with gzip", "gRPC-Web", "Connect", "Connect JSON", "Connect with gzip"},
	"buf curl":     {"gRPC", "gRPC-Web", "Connect", "health"},
	"connect-node": {"gRPC", "gRPC-Web", "Connect", "Connect JSON"},
	"EventSource":  {"SSE"},
	"all at once":  {"REST, gRPC"},
}

// doorNames are the ways in. A proxy is configured as docs/operations.md says, and has one
// upstream.
var doorNames = []string{"plaintext", "TLS", "nginx", "Caddy", "HAProxy", "HAProxy that shares its connections"}

// square is what is tried in one square of the table, over each transport of a door that the client
// speaks.
type square func(t *testing.T, d *door)

// table has the squares by client and protocol.
type table map[string]map[string]square

// TestEveryClientAtEveryDoor has a square for each client, in each protocol that it speaks, at each
// door. It fails where one is missing.
func TestEveryClientAtEveryDoor(t *testing.T) {
	squares := newTable()
	squares.node(t)
	for client, protocols := range squares {
		for protocol := range protocols {
			if !slices.Contains(protocolsOf[client], protocol) {
				t.Errorf("%s, %s: is not in the list of what must be there", client, protocol)
			}
		}
	}
	doors := openDoors(t)
	for _, name := range doorNames {
		t.Run(name, func(t *testing.T) {
			d := doors[name](t)
			for _, client := range slices.Sorted(maps.Keys(protocolsOf)) {
				for _, protocol := range protocolsOf[client] {
					try := squares[client][protocol]
					t.Run(client+", "+protocol, func(t *testing.T) {
						if try == nil {
							t.Fatal("nothing is tried")
						}
						try(t, d)
					})
				}
			}
		})
	}
}

// openDoors starts the servers, and returns what opens each door. A proxy lasts as long as the test
// that opens it.
func openDoors(t *testing.T) map[string]func(*testing.T) *door {
	t.Helper()
	a := newAuthority(t)
	a.issue("proxy")
	secure, _ := newTLSServer(t, a, "")
	overTLS := newDoor(t, secure, a.client(""))
	overTLS.ca, overTLS.transports = a.file("ca.pem"), []string{"h1", "h2", "both"}
	plain := newServer(t, "--auth", "token", "--path-prefix", "/stint", "--trusted-proxies", "127.0.0.1")
	overTCP := newDoor(t, plain, nil)
	overTCP.transports = []string{"h1", "h2c"}
	doors := map[string]func(*testing.T) *door{
		"plaintext": func(*testing.T) *door { return overTCP },
		"TLS":       func(*testing.T) *door { return overTLS },
	}
	for name, p := range proxies(t) {
		doors[name] = func(t *testing.T) *door {
			t.Helper()
			kind, _, _ := strings.Cut(strings.ToLower(name), " ")
			address := p.start(t, kind, plain.address, a)
			return &door{
				base: "https://" + address + p.prefix, calls: "https://" + address, tls: a.client(""), ca: a.file("ca.pem"),
				token: overTCP.token, done: overTCP.done, transports: []string{"h1", "both"},
			}
		}
	}
	return doors
}

// newTable has the squares of all clients but those that run in Node.
func newTable() table {
	squares := table{
		"net/http": {
			"REST": eachTransport(func(t *testing.T, d *door, client *http.Client) { t.Helper(); d.rest(t, client) }),
			"SSE":  eachTransport(func(t *testing.T, d *door, client *http.Client) { t.Helper(); d.events(t, client) }),
		},
		"grpc-go": {
			"gRPC":       func(t *testing.T, d *door) { t.Helper(); d.grpcLibrary(t) },
			"health":     func(t *testing.T, d *door) { t.Helper(); d.health(t) },
			"reflection": func(t *testing.T, d *door) { t.Helper(); d.reflection(t) },
		},
		"connect-go": {
			"gRPC":              overHTTP2(byConnect(connect.WithGRPC())),
			"gRPC with gzip":    overHTTP2(byConnect(connect.WithGRPC(), connect.WithSendGzip())),
			"gRPC-Web":          byConnect(connect.WithGRPCWeb()),
			"Connect":           byConnect(),
			"Connect JSON":      byConnect(connect.WithProtoJSON()),
			"Connect with gzip": byConnect(connect.WithProtoJSON(), connect.WithSendGzip()),
		},
		"curl": {
			"REST":           byCurl(`"ann"`, func(d *door) []string { return []string{d.base + "/v1/auth/whoami"} }),
			"REST with gzip": byCurl(`"openapi"`, func(d *door) []string { return []string{"--compressed", d.base + "/openapi.json"} }),
			"SSE": byCurl("event: end\n", func(d *door) []string {
				return []string{"-H", "Accept: text/event-stream", d.base + "/v1/jobs/" + d.done + ":watch?untilFinal=true"}
			}),
			// Clients of Connect may leave out the header that says which version they speak.
			"Connect": byCurl(`"ann"`, func(d *door) []string {
				return []string{"-H", "Content-Type: application/json", "-d", "{}", d.calls + "/stint.auth.v1.AuthService/WhoAmI"}
			}),
		},
		"all at once": {
			"REST, gRPC": func(t *testing.T, d *door) { t.Helper(); d.together(t) },
		},
	}
	whoAmI := func(protocol string) square {
		return func(t *testing.T, d *door) {
			t.Helper()
			if got := d.bufCurl(t, protocol, "/stint.auth.v1.AuthService/WhoAmI"); !strings.Contains(got, `"ann"`) {
				t.Errorf("%s", got)
			}
		}
	}
	squares["buf curl"] = map[string]square{
		"gRPC": whoAmI("grpc"), "gRPC-Web": whoAmI("grpcweb"), "Connect": whoAmI("connect"),
		"health": func(t *testing.T, d *door) {
			t.Helper()
			if got := d.bufCurl(t, "grpc", "/grpc.health.v1.Health/Check"); !strings.Contains(got, "SERVING") {
				t.Errorf("%s", got)
			}
		},
	}
	return squares
}

// node adds the squares of the clients that run in Node. Those of one door run together, with its
// first square.
func (squares table) node(t *testing.T) {
	t.Helper()
	folder := sync.OnceValue(func() string { return nodePrograms(t) })
	printed := make(map[*door]string)
	well := func(wanted ...string) square {
		return func(t *testing.T, d *door) {
			t.Helper()
			needs(t, "chromium", "node", "npm") // of the group that Node belongs to
			if _, ok := printed[d]; !ok {
				printed[d] = d.node(t, folder())
			}
			for _, line := range wanted {
				if !strings.Contains(printed[d], "ok "+line+"\n") {
					t.Errorf("no line %q:\n%s", line, printed[d])
				}
			}
		}
	}
	squares["EventSource"] = map[string]square{"SSE": well("EventSource")}
	squares["connect-node"] = map[string]square{"gRPC": well("gRPC, HTTP/2")}
	for _, protocol := range []string{"gRPC-Web", "Connect", "Connect JSON"} {
		squares["connect-node"][protocol] = well(protocol+", HTTP/1.1", protocol+", HTTP/2")
	}
}

// eachTransport tries something by Go's client over each transport of a door.
func eachTransport(try func(*testing.T, *door, *http.Client)) square {
	return func(t *testing.T, d *door) {
		t.Helper()
		for _, transport := range d.transports {
			t.Run(transport, func(t *testing.T) { try(t, d, d.dial(t, transport)) })
		}
	}
}

// byConnect tries calls by connect-go over each transport of a door, and REST after them over the
// same connection.
func byConnect(options ...connect.ClientOption) square {
	return eachTransport(func(t *testing.T, d *door, client *http.Client) {
		t.Helper()
		d.connectLibrary(t, client, options...)
		d.rest(t, client)
		d.events(t, client)
	})
}

// overHTTP2 leaves out the transport of HTTP/1.1, over which there is no gRPC.
func overHTTP2(try square) square {
	return func(t *testing.T, d *door) {
		t.Helper()
		some := *d
		some.transports = slices.DeleteFunc(slices.Clone(d.transports), func(transport string) bool { return transport == "h1" })
		try(t, &some)
	}
}

// byCurl looks for something in what curl prints, over each transport of a door.
func byCurl(wanted string, args func(*door) []string) square {
	return func(t *testing.T, d *door) {
		t.Helper()
		for _, transport := range d.transports {
			t.Run(transport, func(t *testing.T) {
				if got := d.curl(t, transport, args(d)...); !strings.Contains(got, wanted) {
					t.Errorf("no %s in %.300q", wanted, got)
				}
			})
		}
	}
}
