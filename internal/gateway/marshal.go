package gateway

import (
	"io"
	"strconv"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	jobsv1 "github.com/stint-jobs/stint/gen/stint/jobs/v1"
)

// Media types of streams.
const (
	eventStream = "text/event-stream"
	ndjson      = "application/x-ndjson"
)

// jsonMarshaler writes answers as JSON and streams as one JSON object a line:
// `{"result": ...}` for a frame, `{"error": ...}` for the error that ends it.
type jsonMarshaler struct {
	runtime.JSONPb

	turn func() (end func()) // of long responses; nil does not wait
}

// longMessage is from how many bytes on a message waits for its turn.
const longMessage = 64 << 10

// StreamContentType is the media type of a stream.
func (*jsonMarshaler) StreamContentType(any) string { return ndjson }

// Marshal writes a message, or a line of a stream without its end.
func (m *jsonMarshaler) Marshal(v any) ([]byte, error) {
	key, msg := streamChunk(v)
	if msg != nil {
		return m.appendJSON([]byte(`{"`+key+`":`), msg, '}')
	}
	if msg, ok := v.(proto.Message); ok {
		if m.turn != nil && proto.Size(msg) > longMessage {
			defer m.turn()()
		}
		return m.MarshalOptions.Marshal(msg)
	}
	return m.JSONPb.Marshal(v)
}

// NewDecoder reads the body that the middleware prepared.
func (m *jsonMarshaler) NewDecoder(r io.Reader) runtime.Decoder {
	return runtime.DecoderFunc(func(v any) error {
		body, ok := r.(*requestBody)
		msg, isMessage := v.(proto.Message)
		if !ok || !isMessage {
			return m.JSONPb.NewDecoder(r).Decode(v)
		}
		return body.decode(msg)
	})
}

func (m *jsonMarshaler) appendJSON(prefix []byte, msg proto.Message, end ...byte) ([]byte, error) {
	options := m.MarshalOptions
	if _, ok := msg.(*spb.Status); ok {
		options.EmitDefaultValues = false // as in a refusal
	}
	line, err := options.MarshalAppend(prefix, msg)
	return append(line, end...), err
}

// streamChunk takes apart what grpc-gateway hands over for a frame of a stream
// or the error that ends it. The message is nil for anything else.
func streamChunk(v any) (key string, msg proto.Message) {
	switch chunk := v.(type) {
	case map[string]any:
		msg, _ = chunk["result"].(proto.Message)
		return "result", msg
	case map[string]proto.Message:
		return "error", chunk["error"]
	default:
		return "", nil
	}
}

// sseMarshaler writes streams as server-sent events: the name of the event is
// the kind of the frame, its id is where to go on after it, its data is the
// frame as JSON, which has no line breaks.
type sseMarshaler struct{ *jsonMarshaler }

// StreamContentType is the media type of a stream.
func (*sseMarshaler) StreamContentType(any) string { return eventStream }

// Delimiter ends an event.
func (*sseMarshaler) Delimiter() []byte { return []byte("\n\n") }

// Marshal writes a message, or an event without the blank line that ends it.
func (m *sseMarshaler) Marshal(v any) ([]byte, error) {
	key, msg := streamChunk(v)
	if msg == nil {
		return m.jsonMarshaler.Marshal(v)
	}
	var event []byte
	if key == "error" {
		event = append(event, "event: problem\n"...)
	} else {
		name, id := describeFrame(msg)
		if id != "" {
			event = append(event, "id: "+id+"\n"...)
		}
		event = append(event, "event: "+name+"\n"...)
	}
	return m.appendJSON(append(event, "data: "...), msg)
}

// describeFrame gives the name and the id of a frame's event. Without an id, the client's last one stays.
func describeFrame(msg proto.Message) (name, id string) {
	switch frame := msg.(type) {
	case *jobsv1.WatchStatusResponse:
		return eventKind(frame), frame.GetCursor()
	case *jobsv1.StreamLogsResponse:
		if len(frame.GetData()) == 0 {
			return "heartbeat", ""
		}
		return "log", strconv.FormatInt(frame.GetOffset()+int64(len(frame.GetData())), 10)
	default:
		return "message", ""
	}
}

// eventKind is the JSON name of the frame's event, for example `snapshotBegin`.
func eventKind(frame *jobsv1.WatchStatusResponse) string {
	m := frame.ProtoReflect()
	if field := m.WhichOneof(m.Descriptor().Oneofs().ByName("event")); field != nil {
		return field.JSONName()
	}
	return "message"
}

// strictJSON reads JSON that must be in the contract whole.
var strictJSON = protojson.UnmarshalOptions{}
