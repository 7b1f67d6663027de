import fc from "fast-check";
import { expect, it } from "vitest";
import { isAiSdk4 } from "../../src/ai-sdk/from-ai-sdk-4.js";
import { AI_SDK_4_MESSAGE, AI_SDK_4_MESSAGES } from "../../src/model/ai-sdk-4.js";
import { anyElement } from "../support/ai-sdk-4.js";
import { migratedDatabase, rawClient } from "../support/database.js";
import { oddMessages, uiMessages } from "../support/messages.js";

const sql = rawClient(await migratedDatabase(), { max: 1 });

/** The elements that the server counts as messages of AI SDK 4, in an array and one by one. */
async function found(elements: unknown[]): Promise<{ all: unknown[]; each: boolean[] }> {
  const text = JSON.stringify(elements);
  const [row] = await sql`
    select jsonb_path_query_array(${text}::text::jsonb, ${AI_SDK_4_MESSAGES}::text::jsonpath, '{}', true) as all,
      (select jsonb_agg(jsonb_path_exists(e, ${AI_SDK_4_MESSAGE}::text::jsonpath, '{}', true) order by n)
        from jsonb_array_elements(${text}::text::jsonb) with ordinality as elements(e, n)) as each`;
  return row as unknown as { all: unknown[]; each: boolean[] };
}

/** jsonb has its own order of keys. */
const sorted = (elements: unknown[]) => JSON.parse(JSON.stringify(elements));

it("SQL and fromAiSdk4 agree on what is a message of AI SDK 4", async () => {
  // Without what jsonb cannot hold.
  const storable = anyElement.filter((element) => !/\\u0000|\\ud[89a-f]/i.test(JSON.stringify(element)));
  await fc.assert(
    fc.asyncProperty(fc.array(storable, { minLength: 20, maxLength: 40 }), async (elements) => {
      const { all, each } = await found(elements);
      expect(each).toEqual(elements.map(isAiSdk4));
      expect(all).toEqual(sorted(elements.filter(isAiSdk4)));
    }),
    { numRuns: 300 },
  );
});

it("also of every message that the other tests know", async () => {
  const known = [...uiMessages, ...oddMessages.map(({ message }) => message)];
  const { each } = await found(known);
  expect(each).toEqual(known.map(isAiSdk4));
});

it.each(["7", "null", '"text"', '{"role": "data", "content": "x"}'])(
  "%s in place of messages has none, and is no error",
  async (messages) => {
    const [row] = await sql`
      select jsonb_path_query_array(${messages}::text::jsonb, ${AI_SDK_4_MESSAGES}::text::jsonpath, '{}', true) as found`;
    expect(row?.found).toEqual([]);
  },
);
