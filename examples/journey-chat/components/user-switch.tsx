"use client";
import styles from "./user-switch.module.css";

export interface DemoUser {
  id: string;
  name: string;
}

/** Selects the signed-in user of the demo. */
export function UserSwitch({
  users,
  userId,
  switchUser,
}: {
  users: readonly DemoUser[];
  userId: string;
  switchUser: (form: FormData) => Promise<void>;
}) {
  return (
    <form action={switchUser} className={styles.form}>
      <label htmlFor="user">Signed in as</label>
      <select
        id="user"
        name="user"
        defaultValue={userId}
        onChange={(event) => event.currentTarget.form?.requestSubmit()}
      >
        {users.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </form>
  );
}
