import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;

/** What every program of the matrix shares; see python/matrix/cell.py. */
final class Cell {
    static final ObjectMapper JSON = new ObjectMapper();

    interface Chat {
        void have(JsonNode request, Seen seen) throws Exception;
    }

    /** A status that is no success. */
    static final class Refused extends RuntimeException {
        final int status;

        Refused(int status, String message) {
            super(message);
            this.status = status;
        }
    }

    /** Has one chat a scenario. */
    static void run(Chat chat) throws IOException {
        ArrayNode answers = JSON.createArrayNode();
        for (JsonNode task : JSON.readTree(System.in)) {
            Seen seen = new Seen(task.get("stop_after").asInt());
            try {
                chat.have(task.get("request"), seen);
                answers.add(seen.answer);
            } catch (Exception e) {
                answers.add(failure(e));
            }
        }
        System.out.println(answers);
        System.exit(0); // kept connections would hold it back
    }

    /** An exception as the user of the application gets to see it. */
    private static ObjectNode failure(Exception e) {
        StringBuilder said = new StringBuilder();
        for (Throwable t = e; t != null; t = t.getCause()) said.append(t).append('\n');
        ObjectNode answer = JSON.createObjectNode();
        answer.putObject("error").put("status", e instanceof Refused r ? r.status : 0).put("message", said.toString());
        return answer;
    }

    /** What an application saw of one chat. */
    static final class Seen {
        final ObjectNode answer = JSON.createObjectNode();
        private final ArrayNode choices = answer.putArray("choices");
        private final ArrayNode events = answer.putArray("events");
        private final int stopAfter;

        Seen(int stopAfter) {
            this.stopAfter = stopAfter;
        }

        /** Takes a chat.completion. */
        void whole(JsonNode completion) {
            take(completion, "message");
        }

        /** Takes a chat.completion.chunk, and tells whether there were enough. */
        boolean chunk(JsonNode chunk) {
            events.add(take(chunk, "delta"));
            return events.size() == stopAfter;
        }

        /** Notes the model that a document names; two names are one too many. */
        private void named(String model) {
            String known = answer.path("model").asText(model);
            if (!known.equals(model)) throw new IllegalStateException("the model is " + known + " and " + model);
            answer.put("model", model);
        }

        private String take(JsonNode document, String member) {
            named(document.get("model").asText());
            JsonNode usage = document.path("usage");
            if (usage.has("total_tokens")) {
                answer.putArray("usage").add(usage.get("prompt_tokens")).add(usage.get("completion_tokens")).add(usage.get("total_tokens"));
            }
            StringBuilder said = new StringBuilder();
            for (JsonNode one : document.get("choices")) {
                ObjectNode choice = choice(one.get("index").asInt());
                String text = one.path(member).path("content").asText("");
                text = one.path(member).path("content").isNull() ? "" : text;
                choice.put("text", choice.get("text").asText() + text);
                if (one.path("finish_reason").isTextual()) choice.set("finish", one.get("finish_reason"));
                for (JsonNode call : one.path(member).path("tool_calls")) tool((ArrayNode) choice.get("tools"), call.get("function"));
                said.append(one.get("index")).append(':').append(text).append(' ');
            }
            return said.toString();
        }

        private ObjectNode choice(int index) {
            while (choices.size() <= index) {
                choices.addObject().put("text", "").put("finish", "").putArray("tools");
            }
            return (ObjectNode) choices.get(index);
        }

        /** Adds a call, or the next piece of the last one. */
        private static void tool(ArrayNode tools, JsonNode function) {
            if (function.has("name")) tools.addObject().put("name", function.get("name").asText()).put("arguments", "");
            ObjectNode last = (ObjectNode) tools.get(tools.size() - 1);
            last.put("arguments", last.get("arguments").asText() + function.path("arguments").asText(""));
        }
    }
}
