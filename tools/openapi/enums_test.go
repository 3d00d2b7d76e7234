package main

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

func TestEnumValuesAreDescribedWhereTheEnumIs(t *testing.T) {
	value := func(name string, number int32) *descriptorpb.EnumValueDescriptorProto {
		return &descriptorpb.EnumValueDescriptorProto{Name: proto.String(name), Number: proto.Int32(number)}
	}
	enum := &descriptorpb.EnumDescriptorProto{
		Name:  proto.String("State"),
		Value: []*descriptorpb.EnumValueDescriptorProto{value("A", 0), value("B", 1), value("C", 2)},
	}
	const messageField, nestedEnumField, valueField = 4, 4, 2
	comment := func(index int32, text string) *descriptorpb.SourceCodeInfo_Location {
		return &descriptorpb.SourceCodeInfo_Location{
			Path:            []int32{messageField, 0, nestedEnumField, 0, valueField, index},
			Span:            []int32{index, 0, 1},
			LeadingComments: proto.String(text),
		}
	}
	lists, err := listEnums(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
		Name:    proto.String("x.proto"),
		Package: proto.String("x.v1"),
		Syntax:  proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{
			Name:     proto.String("Outer"),
			EnumType: []*descriptorpb.EnumDescriptorProto{enum},
		}},
		SourceCodeInfo: &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{
			comment(0, " Not a state.\n"),
			comment(2, " Done,\n for good.\n"),
		}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	doc := mustParse(t, `{"openapi": "3.1.0", "info": {}, "paths": {}, "components": {"schemas": {
	  "x.v1.Outer.State": {"type": "string", "description": "State of it."},
	  "x.v1.Other": {"type": "string"}
	}}}`)
	doc.describeEnums(lists)
	want := "State of it.\n\n- `A`: Not a state.\n- `C`: Done, for good."
	if got := lookup(doc.Components["schemas"]["x.v1.Outer.State"], "description"); got != want {
		t.Errorf("description: %q, want %q", got, want)
	}
	if got := lookup(doc.Components["schemas"]["x.v1.Other"], "description"); got != nil {
		t.Errorf("an enum that nothing is said of got a description: %q", got)
	}
}
